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
    caller = Task.async(fn -> twice() end)
    send(caller.pid, :go)
    WarpEngine.cosmic_put("restart", 1)
    assert WarpEngine.Application.restart_universe() == {:ok, :restarted}
    send(caller.pid, :go)
    assert Task.await(caller)
    assert {:ok, 1, _, _} = WarpEngine.cosmic_get("restart")
  end

  defp twice do
    for i <- 1..2 do
      receive do: (:go -> :ok)
      WarpEngine.cosmic_put("caller", i)
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
    for i <- 1..5_000, do: WarpEngine.cosmic_put("even:#{i}", i)
    Process.sleep(1_010)
    even = EntropyMonitor.get_entropy_metrics(:skew)
    assert even.disorder_index < 0.05
    refute even.rebalancing_recommended
    assert EntropyMonitor.trigger_rebalancing(:skew) == {:error, :rebalancing_not_needed}

    for i <- 1..5_000, do: WarpEngine.cosmic_put("one key", i)
    Process.sleep(1_010)
    skewed = EntropyMonitor.get_entropy_metrics(:skew)
    assert skewed.disorder_index > 0.9
    assert skewed.rebalancing_recommended
    assert skewed.shannon_entropy < even.shannon_entropy
    assert [text] = EntropyMonitor.get_cosmic_analytics(:skew).recommendations
    assert text =~ "concentrated"
    assert EntropyMonitor.shutdown_monitor(:skew) == :ok
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
