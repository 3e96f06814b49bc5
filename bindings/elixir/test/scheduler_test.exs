defmodule WarpEngine.Native.SchedulerTest do
  # Nothing holds a scheduler for a millisecond: the emulator itself is asked to report whoever
  # does. The operating system may take a scheduler's thread away for longer than that, every few
  # milliseconds on a busy machine. So a workload gets many short attempts, each long enough for
  # several timeslices, and must pass some; calls that hold their scheduler fail all of them, as
  # the control shows.
  use ExUnit.Case
  import WarpEngine.Native.Support
  alias WarpEngine.Native
  alias WarpEngine.Native.{Links, Monitor, Placement}

  @attempts 500
  @attempt_ms 5
  @quiet_ones 3
  @late_ms 100

  setup_all do
    db = Native.open!(:memory, durability: :process)
    for i <- 1..1_000, do: Native.put!(db, "key #{i}", random_bytes(100))
    for i <- 1..20, do: Native.put!(db, "medium #{i}", random_bytes(16_000))
    for i <- 1..20, do: Native.put!(db, "pinnable #{i}", random_bytes(65_000))
    for i <- 1..20, do: Native.put!(db, "large #{i}", random_bytes(260_000))
    Native.put!(db, "huge", random_bytes(100_000_000))
    on_exit(fn -> Native.close(db) end)
    {:ok, db: db}
  end

  test "the control: a built-in that does not yield is reported every time" do
    assert quiet_attempts(fn -> :erlang.make_tuple(10_000_000, 0) end, 20) == 0
  end

  test "gets", %{db: db} do
    assert_quiet(fn -> Native.get(db, "key #{:rand.uniform(1_000)}") end)
    assert_quiet(fn -> Native.get(db, "medium #{:rand.uniform(20)}") end)
    assert_quiet(fn -> Native.get(db, "large #{:rand.uniform(20)}") end)
    assert_quiet(fn -> Native.get(db, "large #{:rand.uniform(20)}", zero_copy: true) end)
    assert_quiet(fn -> Native.get(db, "pinnable #{:rand.uniform(20)}", zero_copy: true) end)
    assert_quiet(fn -> Native.get(db, "huge", zero_copy: true) end)
    assert_quiet(fn -> Native.get(db, "huge") end)
    large = Native.get!(db, "large 1")
    assert_quiet(fn -> Native.get_unless(db, "large 1", large) end)
    assert_quiet(fn -> Native.get_if_changed(db, "large 1", 0) end)
    assert_quiet(fn -> Native.get_if_changed(db, "huge", 0) end)
  end

  test "calls that follow each other pay for what they take", %{db: db} do
    value = random_bytes(16_384)
    assert_quiet(fn -> for _ <- 1..100, do: Native.get(db, "large 1") end)
    assert_quiet(fn -> for _ <- 1..100, do: Native.put(db, "put 1", value) end)
  end

  test "puts, deletes, swaps", %{db: db} do
    small = random_bytes(100)
    medium = random_bytes(16_384)
    large = random_bytes(1_000_000)
    assert_quiet(fn -> Native.put(db, "put #{:rand.uniform(1_000)}", small) end)
    assert_quiet(fn -> Native.put(db, "put #{:rand.uniform(100)}", medium) end)
    assert_quiet(fn -> Native.put(db, "put #{:rand.uniform(3)}", large) end)
    assert_quiet(fn -> Native.delete(db, "put #{:rand.uniform(1_000)}") end)
    assert_quiet(fn -> Native.compare_and_swap(db, "put 1", medium, medium) end)
  end

  test "multi_get, batches, streams", %{db: db} do
    few = for i <- 1..16, do: "key #{i}"
    many = for i <- 1..1_000, do: "key #{i}"
    heavy = for i <- 1..16, do: "medium #{i}"
    small_batch = for i <- 1..70, do: {:put, "batch #{i}", random_bytes(80)}
    tiny_batch = for i <- 1..700, do: {:put, <<rem(i, 256)>>, ""}
    large_batch = for i <- 1..1_000, do: {:put, "batch #{i}", random_bytes(80)}
    assert_quiet(fn -> Native.multi_get(db, few) end)
    assert_quiet(fn -> Native.multi_get(db, many) end)
    assert_quiet(fn -> Native.multi_get(db, heavy) end)
    assert_quiet(fn -> Native.write(db, small_batch) end)
    assert_quiet(fn -> Native.write(db, tiny_batch) end)
    assert_quiet(fn -> Native.write(db, Enum.take(tiny_batch, 190)) end)
    assert_quiet(fn -> Native.write(db, Enum.take(large_batch, 150)) end)
    assert_quiet(fn -> Native.write(db, large_batch) end)
    assert_quiet(fn -> db |> Native.stream(prefix: "key") |> Enum.count() end)
  end

  test "links, placement and the load monitor", %{db: db} do
    for i <- 1..20, do: Links.link!(db, "key 1", "large #{i}")
    large = random_bytes(1_000_000)
    assert_quiet(fn -> Native.put(db, "put #{:rand.uniform(1_000)}", "v", hint: :cold) end)
    assert_quiet(fn -> Native.put(db, "put #{:rand.uniform(3)}", large, hint: :hot) end)
    assert_quiet(fn -> Links.get_linked(db, "key 1") end)
    assert_quiet(fn -> Links.partners(db, "key 1") end)
    assert_quiet(fn -> Links.link(db, "key 2", "key #{:rand.uniform(20) + 2}") end)
    assert_quiet(fn -> Placement.shard_of(db, "key #{:rand.uniform(1_000)}") end)
    assert_quiet(fn -> for i <- 1..1_000, do: Placement.shard_of(db, "key #{i}") end)
    assert_quiet(fn -> Placement.rebalance(db) end)
    assert_quiet(fn -> Placement.move_slot(db, :rand.uniform(4_096) - 1, 0) end)
    assert_quiet(fn -> Monitor.load(db) end)
    assert_quiet(fn -> Monitor.events(db) end)
    assert_quiet(fn -> Monitor.openmetrics(db) end)

    assert_quiet(fn ->
      :ok = Placement.add_rule(db, ["key *", "put *"])
      :ok = Placement.remove_rule(db, "key *")
    end)
  end

  test "what waits", %{db: db} do
    assert_quiet(fn -> Native.sync(db) end)
    assert_quiet(fn -> Native.checkpoint(db) end)
    assert_quiet(fn -> Native.stats(db) end)
    assert_quiet(fn -> :memory |> Native.open!(shards: 2) |> Native.close() end)
    # Never closed: the collector drops them.
    assert_quiet(fn -> Native.open!(:memory, shards: 2) end)
  end

  defp assert_quiet(call) do
    quiet = quiet_attempts(call, @attempts)
    assert quiet == @quiet_ones, "only #{quiet} of #{@attempts} attempts held no scheduler"
  end

  # How many of the attempts were quiet; no more than needed are made.
  defp quiet_attempts(call, attempts) do
    1..attempts
    |> Stream.filter(fn _ -> long_schedules(call) == [] end)
    |> Enum.take(@quiet_ones)
    |> length()
  end

  # The reports about a process that does nothing but call.
  defp long_schedules(call) do
    collector = self()
    :erlang.system_monitor(collector, [{:long_schedule, 1}])
    {pid, monitor} = spawn_monitor(fn -> repeat(call, deadline()) end)

    receive do
      {:DOWN, ^monitor, :process, ^pid, reason} -> assert reason == :normal
    after
      30_000 -> flunk("the calls do not end")
    end

    reports = late_reports(pid)
    :erlang.system_monitor(:undefined)
    reports
  end

  # A report may come after its process's end, from a scheduler that the operating system has
  # stopped meanwhile.
  defp late_reports(pid) do
    with [] <- reports(pid) do
      Process.sleep(@late_ms)
      reports(pid)
    end
  end

  defp reports(pid) do
    receive do
      {:monitor, ^pid, :long_schedule, info} -> [info | reports(pid)]
      {:monitor, _, :long_schedule, _} -> reports(pid)
    after
      0 -> []
    end
  end

  defp deadline, do: System.monotonic_time(:millisecond) + @attempt_ms

  defp repeat(call, deadline) do
    call.()
    if System.monotonic_time(:millisecond) < deadline, do: repeat(call, deadline)
  end
end
