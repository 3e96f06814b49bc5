defmodule WarpEngine.Native.ReadmeTest do
  # What README.md shows runs, and its matches match: the blocks of a section one after the other, on
  # a database that has what they speak of.
  use ExUnit.Case, async: true
  alias WarpEngine.Native

  @readme Path.expand("../README.md", __DIR__)
  @sections [
    "Everyday calls",
    "Batches and iteration",
    "Hints, links, placement and load",
    "Durability and errors"
  ]

  for section <- @sections do
    test section do
      db = Native.open!(:memory)
      Native.write!(db, [{:put, "a", "1"}, {:put, "movie", :binary.copy("m", 100_000)}])
      Native.write!(db, [{:put, "order:7", "open"}, {:put, "customer:3", "Ada"}])
      code = "alias WarpEngine.Native\n" <> Enum.join(blocks(unquote(section)), "\n")
      Code.eval_string(code, [db: db, pdf: "%PDF", pairs: [{"k", "v"}]], file: @readme)
      Native.close(db)
    end
  end

  defp blocks(section) do
    [_, rest] = String.split(File.read!(@readme), "\n## #{section}\n")
    [text | _] = String.split(rest, "\n## ")
    blocks = for [_, code] <- Regex.scan(~r/```elixir\n(.*?)```/s, text), do: code
    assert blocks != []
    blocks
  end
end
