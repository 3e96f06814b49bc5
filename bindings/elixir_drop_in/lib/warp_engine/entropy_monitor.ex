defmodule WarpEngine.EntropyMonitor do
  @moduledoc """
  Watches how evenly the engine's shards are loaded.

  A process for each monitor, registered in `WarpEngine.EntropyRegistry`. It asks the engine's load
  monitor every `:monitoring_interval` and when asked; reads and writes of others never wait for it.
  What is behind the original's names:

  | name | measure |
  | --- | --- |
  | `shannon_entropy` | entropy of the operations over the shards, in bits; what happened half a second ago counts half. Even over 24 shards is 4.58, all in one is 0 |
  | `thermodynamic_entropy` | entropy of the stored bytes over the shards, in bits |
  | `total_entropy` | 0.6 of the first and 0.4 of the second |
  | `entropy_trend` | of the first: more than 0.05 bits a second rising or falling |
  | `vacuum_stability` | share of the logs' bytes that is live; `nil` with `vacuum_stability_checks: false` |
  | `system_temperature` | operations a second, decayed likewise |
  | `disorder_index` | how far from even: 1 − `shannon_entropy` / log₂ shards |
  | `stability_metric` | share of evenness: 1 − `disorder_index` |
  | `rebalancing_recommended` | the engine has seen enough and finds the load skewed, and its entropy is below `:entropy_threshold` bits, or below 0.55 log₂ shards if that is less |

  A rebalancing is the engine's (`WarpEngine.Native.Placement.rebalance/1`): it moves slots from hot
  shards to cool ones, while it serves, and the report has what was moved. A skew that a single key
  makes stays: a key has one shard.

  Maxwell's demon, `:enable_maxwell_demon`, rebalances at a measure that recommends it, at most once
  in 5 minutes.
  """

  use GenServer
  alias WarpEngine.{Config, Load, Store}

  @history 720
  @trend_points 6
  @trend_bits_a_second 0.05
  @recommended_below 0.55
  @demon_pause_ms 300_000

  @defaults [
    monitoring_interval: 5_000,
    entropy_threshold: 2.5,
    enable_maxwell_demon: true,
    vacuum_stability_checks: true,
    persistence_enabled: true,
    analytics_enabled: true
  ]

  @type metrics :: %{
          shannon_entropy: float,
          thermodynamic_entropy: float,
          total_entropy: float,
          entropy_trend: :increasing | :decreasing | :stable,
          vacuum_stability: float | nil,
          rebalancing_recommended: boolean,
          last_calculated: integer,
          system_temperature: float,
          disorder_index: float,
          stability_metric: float
        }

  @doc """
  Starts a monitor, linked to the caller. Options: `:monitoring_interval` (5000 ms),
  `:entropy_threshold` (2.5 bits), `:vacuum_stability_checks`, `:persistence_enabled` (a line a
  measure in `entropy/ID/time_series/` below the data root), `:analytics_enabled`,
  `:enable_maxwell_demon`.

      iex> {:ok, pid} = WarpEngine.EntropyMonitor.create_monitor(:doc_create, persistence_enabled: false)
      iex> {:error, {:already_started, ^pid}} = WarpEngine.EntropyMonitor.create_monitor(:doc_create)
      iex> WarpEngine.EntropyMonitor.shutdown_monitor(:doc_create)
      :ok
  """
  @spec create_monitor(term, keyword) :: GenServer.on_start()
  def create_monitor(id, options \\ []) do
    options = Keyword.merge(@defaults, options)
    GenServer.start_link(__MODULE__, {id, options}, name: name(id))
  end

  @doc """
  Measures now.

      iex> {:ok, _} = WarpEngine.EntropyMonitor.create_monitor(:doc_metrics, persistence_enabled: false)
      iex> metrics = WarpEngine.EntropyMonitor.get_entropy_metrics(:doc_metrics)
      iex> metrics.disorder_index >= 0.0 and metrics.disorder_index <= 1.0
      true
  """
  @spec get_entropy_metrics(term) :: metrics
  def get_entropy_metrics(id), do: GenServer.call(name(id), :metrics)

  @doc """
  What a shard of the engine (`:shard_0`, or its number) adds to the entropy of the keys:
  −p·log₂ p of its share. 0.0 for one that is unknown.

      iex> {:ok, _} = WarpEngine.EntropyMonitor.create_monitor(:doc_shard, persistence_enabled: false)
      iex> WarpEngine.EntropyMonitor.calculate_shard_shannon_entropy(:doc_shard, :no_such_shard)
      0.0
  """
  @spec calculate_shard_shannon_entropy(term, atom | non_neg_integer) :: float
  def calculate_shard_shannon_entropy(id, shard), do: GenServer.call(name(id), {:shard, shard})

  @doc """
  Rebalances when it is recommended, or with `force_rebalancing: true`, and reports: entropies before
  and after in bits, `data_items_moved` and `shards_affected` as `WarpEngine.Load.rebalance/1` counts
  them, `slots_moved` as the engine does, and as `energy_cost` the share of all keys that moved.
  The engine has one strategy; `:migration_strategy` is reported as it was asked for.

      iex> {:ok, _} = WarpEngine.EntropyMonitor.create_monitor(:doc_rebalance, persistence_enabled: false)
      iex> WarpEngine.EntropyMonitor.trigger_rebalancing(:doc_rebalance)
      {:error, :rebalancing_not_needed}
      iex> {:ok, report} = WarpEngine.EntropyMonitor.trigger_rebalancing(:doc_rebalance, force_rebalancing: true)
      iex> {report.strategy, is_integer(report.data_items_moved)}
      {:moderate, true}
  """
  @spec trigger_rebalancing(term, keyword) ::
          {:ok, map} | {:error, :rebalancing_not_needed | WarpEngine.Native.Error.t()}
  def trigger_rebalancing(id, options \\ []) do
    GenServer.call(name(id), {:rebalance, options}, :infinity)
  end

  @doc """
  Whether the demon may rebalance by itself.

      iex> {:ok, _} = WarpEngine.EntropyMonitor.create_monitor(:doc_demon, persistence_enabled: false)
      iex> WarpEngine.EntropyMonitor.set_maxwell_demon_enabled(:doc_demon, false)
      :ok
  """
  @spec set_maxwell_demon_enabled(term, boolean) :: :ok
  def set_maxwell_demon_enabled(id, enabled?) when is_boolean(enabled?) do
    GenServer.cast(name(id), {:demon, enabled?})
  end

  @doc """
  Figures over the measures of a time: `:last_hour`, `:last_day` or `:last_week`, of the last
  #{@history} that are kept.

      iex> {:ok, _} = WarpEngine.EntropyMonitor.create_monitor(:doc_analytics, persistence_enabled: false)
      iex> analytics = WarpEngine.EntropyMonitor.get_cosmic_analytics(:doc_analytics)
      iex> {analytics.time_range, analytics.entropy_trend}
      {:last_hour, :insufficient_data}
  """
  @spec get_cosmic_analytics(term, :last_hour | :last_day | :last_week) :: map
  def get_cosmic_analytics(id, range \\ :last_hour)
      when range in [:last_hour, :last_day, :last_week] do
    GenServer.call(name(id), {:analytics, range})
  end

  @doc """
  Stops a monitor.

      iex> WarpEngine.EntropyMonitor.shutdown_monitor(:never_started)
      {:error, :not_found}
  """
  @spec shutdown_monitor(term) ::
          :ok | {:ok, :already_stopped} | {:error, :not_found | :registry_unavailable}
  def shutdown_monitor(id) do
    case Registry.lookup(WarpEngine.EntropyRegistry, id) do
      [{pid, _}] -> GenServer.stop(pid)
      [] -> {:error, :not_found}
    end
  rescue
    ArgumentError -> {:error, :registry_unavailable}
  catch
    :exit, _ -> {:ok, :already_stopped}
  end

  defp name(id), do: {:via, Registry, {WarpEngine.EntropyRegistry, id}}

  ## The process

  @impl true
  def init({id, options}) do
    state = %{
      id: id,
      options: options,
      load: nil,
      metrics: nil,
      history: [],
      demon: options[:enable_maxwell_demon],
      # Of the demon and of callers: times, slots, keys, and when it was last done.
      rebalanced: %{times: 0, slots: 0, items: 0, at: nil}
    }

    Process.send_after(self(), :measure, options[:monitoring_interval])
    {:ok, measure(state)}
  end

  @impl true
  def handle_call(:metrics, _from, state) do
    state = measure(state)
    {:reply, state.metrics, state}
  end

  def handle_call({:shard, shard}, _from, state), do: {:reply, of_shard(shard), state}

  def handle_call({:rebalance, options}, _from, state) do
    state = measure(state)

    if Keyword.get(options, :force_rebalancing, false) or state.metrics.rebalancing_recommended do
      case rebalance(state) do
        {:ok, moved, state} -> {:reply, {:ok, report(moved, options, state)}, state}
        {:error, error} -> {:reply, {:error, error}, state}
      end
    else
      {:reply, {:error, :rebalancing_not_needed}, state}
    end
  end

  def handle_call({:analytics, range}, _from, state) do
    {:reply, analytics(state, range), state}
  end

  @impl true
  def handle_cast({:demon, enabled?}, state), do: {:noreply, %{state | demon: enabled?}}

  @impl true
  def handle_info(:measure, state) do
    Process.send_after(self(), :measure, state.options[:monitoring_interval])
    state = measure(state)
    if state.options[:persistence_enabled], do: persist(state)
    {:noreply, demon(state)}
  end

  def handle_info(_message, state), do: {:noreply, state}

  ## Measuring

  defp measure(state) do
    load =
      case Store.get() do
        nil -> Load.empty()
        store -> Load.measure(store.db)
      end

    metrics = metrics(load, state.options)
    point = {metrics.last_calculated, metrics.total_entropy}
    %{state | load: load, metrics: metrics, history: Enum.take([point | state.history], @history)}
  end

  defp metrics(load, options) do
    bound = min(options[:entropy_threshold], @recommended_below * load.entropy_max)

    %{
      shannon_entropy: load.operation_entropy,
      thermodynamic_entropy: load.byte_entropy,
      total_entropy: total(load),
      entropy_trend: trend(load.trend_per_second),
      vacuum_stability: if(options[:vacuum_stability_checks], do: load.live_share),
      rebalancing_recommended: load.skewed and load.operation_entropy < bound,
      last_calculated: System.system_time(:millisecond),
      system_temperature: load.operations_per_second,
      disorder_index: 1.0 - load.evenness,
      stability_metric: load.evenness
    }
  end

  defp total(load), do: 0.6 * load.operation_entropy + 0.4 * load.byte_entropy

  defp of_shard(shard) do
    with %Store{} = store <- Store.get(),
         shards = Load.measure(store.db).shards,
         index when is_integer(index) <- index(shard),
         %{keys: keys} when keys > 0 <- Enum.at(shards, index) do
      share = keys / (shards |> Enum.map(& &1.keys) |> Enum.sum())
      -share * :math.log2(share) + 0.0
    else
      _ -> 0.0
    end
  end

  defp index(shard) when is_integer(shard) and shard >= 0, do: shard

  defp index(shard) when is_atom(shard) do
    with "shard_" <> number <- Atom.to_string(shard),
         {index, ""} when index >= 0 <- Integer.parse(number),
         do: index
  end

  defp index(_shard), do: nil

  ## Trend, analytics

  defp trend(slope) when slope > @trend_bits_a_second, do: :increasing
  defp trend(slope) when slope < -@trend_bits_a_second, do: :decreasing
  defp trend(_slope), do: :stable

  # A measure, newest first.
  defp slope(totals) when length(totals) < 2, do: 0.0

  defp slope(totals) do
    n = length(totals)
    points = totals |> Enum.reverse() |> Enum.with_index()
    mean_x = (n - 1) / 2
    mean_y = Enum.sum(totals) / n

    {above, below} =
      for {y, x} <- points, reduce: {0.0, 0.0} do
        {above, below} ->
          {above + (x - mean_x) * (y - mean_y), below + (x - mean_x) * (x - mean_x)}
      end

    above / below
  end

  @ranges_ms %{last_hour: 3_600_000, last_day: 86_400_000, last_week: 604_800_000}

  defp analytics(state, range) do
    since = System.system_time(:millisecond) - Map.fetch!(@ranges_ms, range)
    totals = for {at, total} <- state.history, at >= since, do: total
    enough? = length(totals) >= @trend_points and state.options[:analytics_enabled]
    mean = if totals == [], do: 0.0, else: Enum.sum(totals) / length(totals)
    variance = variance(totals, mean)

    %{
      time_range: range,
      data_points: length(totals),
      entropy_trend: if(enough?, do: trend(recent_slope(totals)), else: :insufficient_data),
      average_entropy: mean,
      entropy_variance: variance,
      stability_score: max(0.0, 1.0 - variance),
      prediction: prediction(totals, enough?, variance),
      performance_regression: %{regression_detected: false, reason: :not_measured},
      recommendations: recommendations(state.metrics, state.load),
      maxwell_demon_stats: %{
        enabled: state.demon,
        rebalancings: state.rebalanced.times,
        slots_moved: state.rebalanced.slots,
        items_moved: state.rebalanced.items
      },
      last_updated: System.system_time(:millisecond)
    }
  end

  defp variance([], _mean), do: 0.0

  defp variance(totals, mean) do
    Enum.sum(for total <- totals, do: (total - mean) * (total - mean)) / length(totals)
  end

  defp prediction(_totals, false, _variance), do: %{prediction: :insufficient_data}

  defp prediction(totals, true, variance) do
    slope = recent_slope(totals)

    %{
      predicted_entropy: max(0.0, hd(totals) + slope),
      confidence: max(0.1, 1 - 2 * variance),
      time_until_rebalancing: :not_expected,
      trend_direction: trend(slope)
    }
  end

  defp recent_slope(totals), do: totals |> Enum.take(@trend_points) |> slope()

  defp recommendations(%{rebalancing_recommended: true}, load) do
    ["operations are concentrated on few shards: rebalance" | Enum.map(load.hot_keys, &hot/1)]
  end

  defp recommendations(_metrics, _load), do: ["operations are spread evenly: nothing to do"]

  defp hot(key), do: "#{inspect(key)} is among the hottest keys, and a key has one shard"

  ## Rebalancing

  defp demon(%{demon: true, metrics: %{rebalancing_recommended: true}} = state) do
    at = state.rebalanced.at

    with true <- at == nil or now() - at >= @demon_pause_ms,
         {:ok, _, state} <- rebalance(state) do
      state
    else
      _ -> state
    end
  end

  defp demon(state), do: state

  defp rebalance(state) do
    with %Store{db: db} <- Store.get(),
         {:ok, moved} <- Load.rebalance(db) do
      %{times: times, slots: slots, items: items} = state.rebalanced
      slots = slots + moved.slots
      done = %{times: times + 1, slots: slots, items: items + moved.items, at: now()}
      {:ok, moved, %{state | rebalanced: done}}
    else
      nil -> {:error, Store.not_running()}
      {:error, error} -> {:error, error}
    end
  end

  defp report(moved, options, state) do
    keys = moved.before.shards |> Enum.map(& &1.keys) |> Enum.sum()

    %{
      strategy: Keyword.get(options, :migration_strategy, :moderate),
      initial_entropy: total(moved.before),
      final_entropy: total(moved.after),
      data_items_moved: moved.items,
      slots_moved: moved.slots,
      shards_affected: for(%{shard: shard} <- moved.shards, do: shard),
      energy_cost: if(keys == 0, do: 0.0, else: moved.items / keys),
      time_taken_ms: moved.time_ms,
      maxwell_demon_active: state.demon
    }
  end

  ## The time series

  # A line a measure, appended: what is there is never written again.
  defp persist(state) do
    with %Store{} = store <- Store.get() do
      root = Config.get(store.config, :data_root)
      dir = Path.join([root, "entropy", file_name(state.id), "time_series"])
      metrics = state.metrics

      line =
        ~s({"at":#{metrics.last_calculated},"shannon":#{metrics.shannon_entropy},) <>
          ~s("bytes":#{metrics.thermodynamic_entropy},"operations_a_second":#{metrics.system_temperature}}\n)

      with :ok <- File.mkdir_p(dir) do
        File.write(Path.join(dir, "entropy_#{Date.utc_today()}.json"), line, [:append])
      end
    end
  end

  defp file_name(id) when is_atom(id), do: Atom.to_string(id)
  defp file_name(id), do: id |> inspect() |> String.replace(~r/[^\w-]/, "_")

  defp now, do: System.monotonic_time(:millisecond)
end
