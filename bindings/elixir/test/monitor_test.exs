defmodule WarpEngine.Native.MonitorTest do
  # The load monitor: a skew is told, its end too, and the figures name the key that made it.
  use ExUnit.Case, async: true
  import WarpEngine.Native.Support
  alias WarpEngine.Native
  alias WarpEngine.Native.{Error, Monitor}

  @keys 5_000

  setup do
    db = Native.open!(:memory, shards: 8)
    for i <- 1..@keys, do: Native.put!(db, "key #{i}", "value")
    on_exit(fn -> Native.close(db) end)
    {:ok, db: db}
  end

  test "a skew begins, is blamed on its key, and ends", %{db: db} do
    assert told?(db, :skew_began, fn -> Native.get!(db, "key 7") end)
    {:ok, {events, next}} = Monitor.events(db)
    began = Enum.find(events, &(&1.kind == :skew_began))
    assert began.entropy < 0.9
    assert began.share > 0.5
    assert began.shard == WarpEngine.Native.Placement.shard_of!(db, "key 7")
    assert began.at_ms > 0
    assert next > began.number

    load = Monitor.load!(db)
    assert load.skewed
    assert length(load.shard_operations_per_second) == 8
    assert [{"key 7", share} | _] = load.hot_keys
    assert share > 0.5
    assert [{slot, _} | _] = load.hot_slots
    assert slot in 0..4095

    text = Monitor.openmetrics!(db)
    assert text =~ "\nwarp_load_skewed 1\n"
    assert String.ends_with?(text, "# EOF\n")

    assert told?(db, :skew_ended, fn -> Native.get!(db, "key #{:rand.uniform(@keys)}") end)
    {later, _} = Monitor.events!(db, next)
    assert Enum.all?(later, &(&1.number >= next))
  end

  # Whether an event of this kind is told while a process does nothing but call.
  defp told?(db, kind, call) do
    task = Task.async(fn -> repeat(call) end)

    told =
      eventually(
        fn -> db |> Monitor.events!() |> elem(0) |> Enum.any?(&(&1.kind == kind)) end,
        30_000
      )

    Task.shutdown(task, :brutal_kill)
    told
  end

  defp repeat(call) do
    for _ <- 1..1_000, do: call.()
    repeat(call)
  end

  test "nothing is watched if the options say so" do
    db = Native.open!(:memory, load_monitor: false)
    Native.put!(db, "k", "v")
    assert %{skewed: false, hot_keys: []} = Monitor.load!(db)
    assert {[], next} = Monitor.events!(db)
    # Numbers that were never given have no events.
    assert Monitor.events(db, next + 1_000) == {:ok, {[], next}}
    assert Monitor.openmetrics!(db) =~ "warp_"
    Native.close(db)
  end

  test "a hot key of any bytes can be told", %{db: db} do
    key = <<0, ?", ?\\, 255, "é">>
    Native.put!(db, key, "v")
    task = Task.async(fn -> repeat(fn -> Native.get!(db, key) end) end)
    shown = <<0, ?", ?\\, "\uFFFDé"::binary>>
    assert eventually(fn -> match?([{^shown, _} | _], Monitor.load!(db).hot_keys) end, 30_000)
    assert Monitor.openmetrics!(db) =~ "# EOF"
    Task.shutdown(task, :brutal_kill)
  end

  test "arguments", %{db: db} do
    assert_raise ArgumentError, fn -> Monitor.events(db, -1) end
    assert_raise FunctionClauseError, fn -> Monitor.events(db, "0") end
    Native.close(db)

    for fun <- [:load, :events, :openmetrics] do
      assert {:error, %Error{reason: :closed}} = apply(Monitor, fun, [db])
      assert_raise Error, ~r/closed/, fn -> apply(Monitor, :"#{fun}!", [db]) end
    end
  end
end
