defmodule WarpEngine.Metrics do
  @moduledoc """
  The original's metric maps, filled with what the engine and this application count.

  What has no counterpart is empty or 0 and never made up: there are no wormholes, and reads are not
  counted by shard.
  """

  alias WarpEngine.{Config, EntropyMonitor, Load, Native, QuantumIndex, Store, TermCache}

  @empty %{keys: 0, puts: 0, gets: 0, hits: 0, deletes: 0, shards: 0, disk_bytes: 0}

  @doc """
  Figures of each shard.

      iex> map_size(WarpEngine.Metrics.shards()) == WarpEngine.Native.stats!(WarpEngine.Store.get().db).shards
      true
  """
  @spec shards() :: %{atom => map}
  def shards do
    case Store.get() do
      nil -> %{}
      store -> store.db |> Load.measure() |> Map.fetch!(:shards) |> named()
    end
  end

  # At most 1,024 names, the engine's bound.
  defp named(shards) do
    for {shard, i} <- Enum.with_index(shards), into: %{} do
      {:"shard_#{i}",
       %{
         data_items: shard.keys,
         writes: shard.writes,
         log_bytes: shard.bytes,
         dead_bytes: shard.dead_bytes,
         memory_bytes: shard.index_bytes,
         disk_bytes: shard.disk_bytes
       }}
    end
  end

  @doc """
  Shares of the shards, and how even they are: 1.0 is even, 0.0 is all in one.

      iex> Map.keys(WarpEngine.Metrics.distribution())
      [:balance, :byte_entropy, :entropy_max, :hottest_shard, :key_entropy, :operation_entropy, :shares, :skewed, :total_items]
  """
  @spec distribution() :: map
  def distribution do
    load = measure()
    total = load.shards |> Enum.map(& &1.keys) |> Enum.sum()
    writes = Enum.map(load.shards, & &1.writes)
    hottest = if writes != [], do: Enum.find_index(writes, &(&1 == Enum.max(writes)))

    %{
      total_items: total,
      shares: shares(load.shards, total),
      key_entropy: load.key_entropy,
      operation_entropy: load.operation_entropy,
      skewed: load.skewed,
      byte_entropy: load.byte_entropy,
      entropy_max: load.entropy_max,
      balance: balance(load, total),
      hottest_shard: hottest && :"shard_#{hottest}"
    }
  end

  defp shares(shards, total) do
    for {shard, i} <- Enum.with_index(shards), into: %{} do
      {:"shard_#{i}", if(total == 0, do: 0.0, else: shard.keys / total)}
    end
  end

  defp balance(%{entropy_max: max}, total) when total == 0 or max == 0, do: 1.0
  defp balance(load, _total), do: load.key_entropy / load.entropy_max

  defp measure do
    case Store.get() do
      nil -> Load.empty()
      store -> Load.measure(store.db)
    end
  end

  @doc """
  The map of `WarpEngine.cosmic_metrics/0`.

      iex> WarpEngine.Metrics.all().wormhole_network
      %{total_wormholes: 0, memory_usage: 0, active_routes: 0}
  """
  @spec all() :: map
  def all do
    store = Store.get()
    stats = stats(store)
    entropy = entropy(store)

    %{
      universe_state: if(store, do: :stable, else: :starting),
      uptime_ms: if(store, do: System.monotonic_time(:millisecond) - store.opened_at, else: 0),
      spacetime_regions: regions(),
      cosmic_constants: %{
        planck_time_ns: 5.39e-26,
        light_speed_ops: 299_792_458,
        background_temp: 2.7,
        entropy_threshold: if(store, do: Config.get(store.config, :entropy_threshold), else: 2.5)
      },
      performance: performance(store, stats),
      entropy: entropy || %{total_entropy: 0.0, monitoring_disabled: true},
      persistence: persistence(store, stats),
      entanglement: %{
        rules_count: if(store, do: length(Config.rules(store.config)), else: 0),
        quantum_metrics: QuantumIndex.quantum_metrics()
      },
      wormhole_network: %{total_wormholes: 0, memory_usage: 0, active_routes: 0},
      gravitational_routing: distribution(),
      event_horizon_cache: cache(store),
      entropy_monitoring:
        if(entropy, do: Map.put(entropy, :monitor_active, true), else: %{monitor_active: false}),
      phase: phase(store, entropy)
    }
  end

  defp stats(nil), do: @empty

  defp stats(store) do
    case Native.stats(store.db) do
      {:ok, stats} -> stats
      {:error, _} -> @empty
    end
  end

  defp entropy(nil), do: nil

  defp entropy(store) do
    if Config.monitor?(store.config), do: EntropyMonitor.get_entropy_metrics(:cosmic_entropy)
  catch
    :exit, _ -> nil
  end

  defp regions do
    for {name, shard} <- Enum.sort_by(shards(), fn {name, _} -> {byte_size("#{name}"), name} end) do
      %{
        shard: name,
        data_items: shard.data_items,
        memory_words: div(shard.memory_bytes, 8),
        memory_bytes: shard.memory_bytes,
        physics_laws: %{
          consistency_model: :strong,
          time_dilation: 1.0,
          attraction: 1.0,
          energy_level: :normal
        }
      }
    end
  end

  defp performance(store, stats) do
    {count, time} =
      if store,
        do: {:counters.get(store.timing, 1), :counters.get(store.timing, 2)},
        else: {0, 0}

    %{
      total_operations: stats.puts + stats.gets + stats.deletes,
      put_operations: stats.puts,
      get_operations: stats.gets,
      get_hits: stats.hits,
      get_misses: stats.gets - stats.hits,
      delete_operations: stats.deletes,
      avg_operation_time_us: if(count == 0, do: 0.0, else: time / count),
      last_updated: System.system_time(:millisecond),
      shard_distribution: Map.new(shards(), fn {name, shard} -> {name, shard.data_items} end)
    }
  end

  defp persistence(nil, _stats), do: %{exists: false}

  defp persistence(store, stats) do
    path = Config.path(store.config)

    %{
      data_root: Config.get(store.config, :data_root),
      exists: File.dir?(path),
      universe_manifest_exists: File.dir?(path) and File.ls!(path) != [],
      estimated_size_mb: stats.disk_bytes / 1_048_576
    }
  end

  defp cache(%Store{cache: %TermCache{} = cache}) do
    info = TermCache.info(cache)

    %{
      total_caches: 1,
      total_cached_items: info.items,
      total_cache_memory_bytes: info.bytes,
      individual_cache_metrics: %{decoded_terms: info},
      hawking_radiation_active: true,
      spaghettification_enabled: false,
      schwarzschild_utilization: info.bytes / info.bytes_max
    }
  end

  defp cache(_store) do
    %{
      total_caches: 0,
      total_cached_items: 0,
      total_cache_memory_bytes: 0,
      individual_cache_metrics: %{},
      hawking_radiation_active: false,
      spaghettification_enabled: false,
      schwarzschild_utilization: 0.0
    }
  end

  defp phase(_store, entropy) when is_map(entropy) do
    "Phase 5: Entropy Monitoring & Thermodynamics"
  end

  defp phase(%Store{cache: %TermCache{}}, _), do: "Phase 4: Event Horizon Cache System"
  defp phase(_store, _), do: "Phase 3: Spacetime Sharding System"
end
