defmodule WarpEngine.LifetimeTest do
  # Processes that are killed, restarts, configuration, startup.
  use ExUnit.Case
  import ExUnit.CaptureLog
  import WarpEngine.Support
  alias WarpEngine.{Config, EntropyMonitor, Native, Store}

  test "killing any process of the tree loses nothing, and calls go on meanwhile" do
    for i <- 1..500, do: WarpEngine.cosmic_put("survivor:#{i}", i)
    caller = Task.async(fn -> calls_until_told(0) end)

    capture_log(fn ->
      for name <- [WarpEngine, :monitor, WarpEngine.EntropyRegistry, WarpEngine, WarpEngine] do
        pid = if name == :monitor, do: monitor(), else: Process.whereis(name)
        Process.exit(pid, :kill)
        assert eventually(fn -> alive_and_other?(name, pid) end)
        assert eventually(fn -> monitor() != nil end)
      end
    end)

    send(caller.pid, :stop)
    assert Task.await(caller) > 100
    for i <- 1..500, do: assert({:ok, ^i, _, _} = WarpEngine.cosmic_get("survivor:#{i}"))
  end

  defp monitor do
    case Registry.lookup(WarpEngine.EntropyRegistry, :cosmic_entropy) do
      [{pid, _}] -> pid
      [] -> nil
    end
  rescue
    ArgumentError -> nil
  end

  defp alive_and_other?(:monitor, pid), do: monitor() not in [pid, nil]
  defp alive_and_other?(name, pid), do: Process.whereis(name) not in [pid, nil]

  # Every call of this must answer as if nothing had happened.
  defp calls_until_told(n) do
    {:ok, :stored, _, _} = WarpEngine.cosmic_put("during", n)
    {:ok, ^n, _, _} = WarpEngine.cosmic_get("during")

    receive do
      :stop -> n
    after
      0 -> calls_until_told(n + 1)
    end
  end

  test "a restart closes, opens and loses nothing; a caller of before works on" do
    test = self()
    caller = Task.async(fn -> twice(test) end)
    send(caller.pid, :go)
    # Before the restart, during which a call is told that nothing is open.
    assert_receive {:put, 1}, 10_000
    WarpEngine.cosmic_put("restart", 1)
    assert WarpEngine.Application.restart_universe() == {:ok, :restarted}
    send(caller.pid, :go)
    assert Task.await(caller)
    assert {:ok, 1, _, _} = WarpEngine.cosmic_get("restart")
  end

  defp twice(test) do
    for i <- 1..2 do
      receive do: (:go -> :ok)
      answer = WarpEngine.cosmic_put("caller", i)
      send(test, {:put, i})
      answer
    end
    |> Enum.all?(&match?({:ok, :stored, _, _}, &1))
  end

  test "while nothing is open, calls say so" do
    :ok = Supervisor.terminate_child(WarpEngine.Supervisor, WarpEngine)
    assert {:error, %Native.Error{reason: :closed}} = WarpEngine.cosmic_put("k", 1)
    assert {:error, %Native.Error{reason: :closed}, time} = WarpEngine.cosmic_get("k")
    assert time > 0
    assert {:error, %Native.Error{reason: :closed}, _} = WarpEngine.cosmic_delete("k")
    assert {:error, %Native.Error{reason: :closed}} = WarpEngine.quantum_get("k")

    assert {:error, %Native.Error{reason: :closed}} =
             WarpEngine.create_quantum_entanglement("k", ["l"])

    assert %{status: :not_running, healthy: false} = WarpEngine.Application.health_check()
    {:ok, _} = Supervisor.restart_child(WarpEngine.Supervisor, WarpEngine)
    assert %{status: :running, healthy: true} = WarpEngine.Application.health_check()
  end

  test "a refused key stops the start by its name, unless told otherwise" do
    assert {:error, {:refused_options, [wal_sample_rate: text, enable_gpu: _]}} =
             Config.new(wal_sample_rate: 8, enable_gpu: true)

    assert text =~ "every write is logged"

    log =
      capture_log(fn ->
        assert {:ok, _} = Config.new(wal_sample_rate: 8, no_such_key: 1, refused_options: :warn)
      end)

    assert log =~ "wal_sample_rate: 8 is refused" and log =~ "no_such_key is not known"
    Application.put_env(:warp_engine, :gpu_batch_size, 256)
    answer = WarpEngine.Application.restart_universe()
    Application.delete_env(:warp_engine, :gpu_batch_size)
    assert {:error, {:restart_failed, {:refused_options, [gpu_batch_size: _]}}} = answer

    assert {:ok, :restarted} = WarpEngine.Application.restart_universe()
  end

  test "the number of shards is the configured one" do
    with_config([data_root: tmp_path(), use_numbered_shards: true, num_numbered_shards: 3], fn ->
      assert map_size(WarpEngine.get_spacetime_shard_metrics()) == 3
      assert WarpEngine.Application.health_check().spacetime_shards == 3
    end)
  end

  test "bench mode has no monitor, and is as durable as ever" do
    with_config([bench_mode: true, data_root: tmp_path()], fn ->
      assert WarpEngine.entropy_metrics() == %{error: "entropy_monitoring_disabled"}
      WarpEngine.cosmic_put("bench", 1)
      {:ok, :restarted} = WarpEngine.Application.restart_universe()
      assert {:ok, 1, _, _} = WarpEngine.cosmic_get("bench")
    end)
  end

  test "progressive start answers at once, retries while the directory is busy, then serves" do
    root = tmp_path()
    File.mkdir_p!(root)
    busy = Native.open!(Path.join(root, "engine"))

    options = [
      data_root: root,
      progressive_start: true,
      open_timeout_ms: 20,
      open_retries: 8,
      open_backoff_ms: 20
    ]

    log =
      capture_log(fn ->
        with_config(options, fn ->
          assert WarpEngine.await_ready(10) == {:error, :timeout}
          Process.sleep(100)
          Native.close(busy)
          assert WarpEngine.await_ready(5_000) == :ok
          assert {:ok, :stored, _, _} = WarpEngine.cosmic_put("late", 1)
        end)
      end)

    assert log =~ "again in"
  end

  test "a start that cannot open says why" do
    root = tmp_path()
    File.mkdir_p!(root)
    busy = Native.open!(Path.join(root, "engine"))
    options = [data_root: root, open_timeout_ms: 10, open_retries: 1, open_backoff_ms: 10]

    capture_log(fn ->
      assert_raise MatchError, ~r/reason: :busy/, fn -> with_config(options, fn -> :never end) end
    end)

    Native.close(busy)
    assert WarpEngine.Application.health_check().healthy
  end

  test "entropy shows a skew that is there, and stays quiet without one" do
    {:ok, _} = EntropyMonitor.create_monitor(:skew, persistence_enabled: false)

    while_busy(&"even:#{rem(&1, 5_000)}", fn ->
      assert eventually(fn -> EntropyMonitor.get_entropy_metrics(:skew).system_temperature > 0 end)

      Process.sleep(500)
      even = EntropyMonitor.get_entropy_metrics(:skew)
      assert even.disorder_index < 0.1
      assert_in_delta even.shannon_entropy, :math.log2(24), 0.5
      refute even.rebalancing_recommended
      assert EntropyMonitor.trigger_rebalancing(:skew) == {:error, :rebalancing_not_needed}
    end)

    while_busy(fn _ -> "one key" end, fn ->
      assert eventually(fn -> EntropyMonitor.get_entropy_metrics(:skew).disorder_index > 0.8 end)

      assert eventually(fn ->
               EntropyMonitor.get_entropy_metrics(:skew).rebalancing_recommended
             end)

      assert [text | _] = EntropyMonitor.get_cosmic_analytics(:skew).recommendations
      assert text =~ "concentrated"
    end)

    assert EntropyMonitor.shutdown_monitor(:skew) == :ok
  end

  test "a rebalancing moves what the engine says it moves, and no value changes" do
    with_config([data_root: tmp_path()], fn ->
      db = Store.get().db
      for i <- 1..5_000, do: WarpEngine.cosmic_put("moved:#{i}", i)
      # All slots of half of the shards to shard 0.
      for slot <- 0..4095, rem(slot, 2) == 1, do: Native.Placement.move_slot!(db, slot, 0)
      before = WarpEngine.get_spacetime_shard_metrics()
      assert before.shard_0.data_items > 2_000
      keys = Enum.sum(for {_, %{data_items: n}} <- before, do: n)

      assert {:ok, report} = WarpEngine.trigger_entropy_rebalancing(force_rebalancing: true)
      assert report.slots_moved > 0
      moved = WarpEngine.get_spacetime_shard_metrics()
      gained = for {name, %{data_items: n}} <- moved, n > before[name].data_items, do: name
      assert Enum.sort(report.shards_affected) == Enum.sort(gained)
      assert report.data_items_moved == before.shard_0.data_items - moved.shard_0.data_items
      assert_in_delta report.energy_cost, report.data_items_moved / keys, 1.0e-9
      assert report.final_entropy > report.initial_entropy
      for i <- 1..5_000, do: assert({:ok, ^i, _, _} = WarpEngine.cosmic_get("moved:#{i}"))

      for slot <- 0..4095, do: Native.Placement.move_slot!(db, slot, 3)
      assert {:ok, report} = WarpEngine.force_gravitational_rebalancing()
      assert %{successful_migrations: slots, failed_migrations: 0} = report
      assert slots > 0
      left = WarpEngine.get_spacetime_shard_metrics().shard_3.data_items
      assert Enum.sum(for {:ok, %{items: n}} <- report.migration_results, do: n) == keys - left
      assert left < keys

      for slot <- 0..4095, do: Native.Placement.move_slot!(db, slot, 3)
      assert {:ok, report} = WarpEngine.force_cosmic_rebalancing()
      moved = WarpEngine.get_spacetime_shard_metrics()
      assert report.data_migrated == keys - moved.shard_3.data_items
      assert report.data_migrated > 0
      gained = for {name, %{data_items: n}} when n > 0 <- moved, name != :shard_3, do: name
      assert Enum.sort(report.rebalanced_shards) == Enum.sort(gained)
      for i <- 1..5_000, do: assert({:ok, ^i, _, _} = WarpEngine.cosmic_get("moved:#{i}"))
    end)
  end

  test "the demon rebalances by itself, once" do
    with_config([data_root: tmp_path()], fn ->
      db = Store.get().db
      for slot <- 0..4095, do: Native.Placement.move_slot!(db, slot, 0)

      {:ok, _} =
        EntropyMonitor.create_monitor(:demon, monitoring_interval: 50, persistence_enabled: false)

      while_busy(&"demon:#{rem(&1, 5_000)}", fn ->
        assert eventually(
                 fn ->
                   EntropyMonitor.get_cosmic_analytics(:demon).maxwell_demon_stats.slots_moved > 0
                 end,
                 15_000
               )
      end)

      assert %{enabled: true, rebalancings: 1} =
               EntropyMonitor.get_cosmic_analytics(:demon).maxwell_demon_stats

      EntropyMonitor.shutdown_monitor(:demon)
    end)
  end

  # Runs `fun` while a process puts under the keys that `key` gives.
  defp while_busy(key, fun) do
    busy =
      Task.async(fn ->
        for i <- Stream.iterate(1, &(&1 + 1)), do: WarpEngine.cosmic_put(key.(i), i)
      end)

    try do
      fun.()
    after
      Task.shutdown(busy, :brutal_kill)
    end
  end

  test "the monitor appends to its time series" do
    with_config([data_root: tmp_path()], fn ->
      {:ok, _} = EntropyMonitor.create_monitor(:series, monitoring_interval: 20)
      root = Config.get(Store.get().config, :data_root)
      file = Path.join(root, "entropy/series/time_series/entropy_#{Date.utc_today()}.json")
      assert eventually(fn -> File.exists?(file) and length(lines(file)) >= 3 end)

      for line <- lines(file),
          do: assert(%{"at" => _, "shannon" => _} = WarpEngine.JSON.decode!(line))

      EntropyMonitor.shutdown_monitor(:series)
    end)
  end

  defp lines(file), do: file |> File.read!() |> String.split("\n", trim: true)

  test "the metrics have the original's keys" do
    metrics = WarpEngine.cosmic_metrics()

    for key <-
          ~w(universe_state uptime_ms spacetime_regions cosmic_constants performance entropy persistence
                  entanglement wormhole_network gravitational_routing event_horizon_cache entropy_monitoring phase)a do
      assert is_map_key(metrics, key)
    end

    assert metrics.phase == "Phase 5: Entropy Monitoring & Thermodynamics"
    assert [%{shard: :shard_0, physics_laws: %{}} | _] = metrics.spacetime_regions
    assert metrics.performance.get_operations >= metrics.performance.get_hits
    assert metrics.persistence.exists
  end
end
