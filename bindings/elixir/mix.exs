defmodule WarpEngine.Native.MixProject do
  use Mix.Project

  @version "0.1.0"

  def project do
    [
      app: :warp_engine_native,
      version: @version,
      elixir: "~> 1.14",
      description: "The WarpEngine key-value engine, in process, over its C ABI",
      # After the Elixir compiler: the task that builds the NIF is one of the modules it compiles,
      # and nothing loads the NIF at compile time.
      compilers: Mix.compilers() ++ [:warp_nif],
      package: package(),
      deps: []
    ]
  end

  def application do
    [extra_applications: [:logger]]
  end

  defp package do
    [
      licenses: ["MIT"],
      files: ~w(lib c_src bench mix.exs README.md .formatter.exs)
    ]
  end
end
