defmodule WarpEngine.MixProject do
  use Mix.Project

  @version "2.0.0"

  def project do
    [
      app: :warp_engine,
      version: @version,
      elixir: "~> 1.14",
      description: "The calls of the original WarpEngine application, on the WarpEngine engine",
      package: package(),
      deps: [{:warp_engine_native, path: "../elixir"}]
    ]
  end

  def application do
    [extra_applications: [:logger, :crypto], mod: {WarpEngine.Application, []}]
  end

  defp package do
    [
      licenses: ["MIT"],
      files: ~w(lib bench mix.exs README.md UPGRADE.md ADT.md .formatter.exs)
    ]
  end
end
