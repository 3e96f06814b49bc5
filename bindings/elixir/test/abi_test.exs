defmodule WarpEngine.Native.AbiTest do
  # A function that the C ABI gains must not be forgotten here: each is called by the NIF, or has
  # its reason below. So have the options of an open a line in the table of WarpEngine.Native.Options.
  use ExUnit.Case, async: true

  @root Path.expand("../../..", __DIR__)
  @sources Path.expand("../c_src", __DIR__)

  @packed "a batch is built in Elixir, in the packed form"
  @pages "iteration goes by pages"
  @elsewhere %{
    "warp_batch_new" => @packed,
    "warp_batch_free" => @packed,
    "warp_batch_clear" => @packed,
    "warp_batch_count" => @packed,
    "warp_batch_put" => @packed,
    "warp_batch_delete" => @packed,
    "warp_write" => @packed,
    "warp_iter_next" => @pages,
    "warp_get" => "warp_get_nowait, and warp_get_pinned where that would wait",
    "warp_status_name" => "WarpEngine.Native.Error has a reason for each status"
  }

  test "every function of the ABI is called, or has a reason why not" do
    symbols = @root |> Path.join("abi/symbols.txt") |> File.read!() |> String.split()
    assert length(symbols) > 50
    calls = calls()

    for symbol <- symbols do
      assert MapSet.member?(calls, symbol) != is_map_key(@elsewhere, symbol),
             "#{symbol}: called #{MapSet.member?(calls, symbol)}, listed #{@elsewhere[symbol]}"
    end

    assert Map.keys(@elsewhere) -- symbols == []
  end

  # Without bench.c, which is there to be compared with.
  defp calls do
    for file <- Path.wildcard(Path.join(@sources, "*.c")),
        Path.basename(file) != "bench.c",
        [symbol] <-
          Regex.scan(~r/\bwarp_[a-z_]+(?=\(|\);|,)/, without_comments(File.read!(file))),
        into: MapSet.new(),
        do: symbol
  end

  defp without_comments(source), do: Regex.replace(~r{/\*.*?\*/}s, source, "")

  test "every function of the NIF is declared on both sides" do
    table = File.read!(Path.join(@sources, "nif.c"))
    listed = for [_, name, arity] <- Regex.scan(~r/\{"([a-z_]+)", (\d)/, table), do: {name, arity}
    functions = WarpEngine.Native.Nif.__info__(:functions)
    declared = for {name, arity} <- functions, name != :load, do: {"#{name}", "#{arity}"}
    assert Enum.sort(listed) == Enum.sort(declared)
  end

  test "every option of the engine is in the table of options" do
    header = File.read!(Path.join(@root, "include/warp_engine.h"))
    [_, table] = Regex.run(~r/name\s+default\s+meaning\n(.*?)\*\//s, header)
    options = for [_, name] <- Regex.scan(~r/^ \*    ([a-z_]+) /m, table), do: name
    assert length(options) > 15
    {:docs_v1, _, _, _, %{"en" => doc}, _, _} = Code.fetch_docs(WarpEngine.Native.Options)
    for option <- options, do: assert(doc =~ "`:#{option}`", "#{option} is not in the table")
  end
end
