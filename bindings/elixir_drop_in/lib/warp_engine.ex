defmodule WarpEngine do
  @moduledoc """
  The calls of the original WarpEngine application, on the WarpEngine engine.

      iex> {:ok, :stored, shard, time_us} = WarpEngine.cosmic_put("user:alice", %{name: "Alice"})
      iex> {:ok, value, ^shard, _time_us} = WarpEngine.cosmic_get("user:alice")
      iex> {value, time_us > 0}
      {%{name: "Alice"}, true}
      iex> {:ok, answers, _time_us} = WarpEngine.cosmic_delete("user:alice")
      iex> answers
      [hot_data: :not_found, warm_data: :deleted, cold_data: :not_found]

  Any term is a key or a value. Puts and gets run in the calling process, and what was acknowledged
  survives the death of the emulator. `UPGRADE.md` tells what differs from the original, and why.

  ## What the answers mean

  `shard` is the temperature of the key, `:hot_data`, `:warm_data` or `:cold_data`: see
  `WarpEngine.Temperature`. Times are what the call took, in microseconds, rounded up.

  Errors are `{:error, %WarpEngine.Native.Error{}}` (with the time for a get and a delete), which
  says what happened in its `reason` and `message`. While nothing is open its reason is `:closed`.

  ## Options of a put

  | option | what it does |
  | --- | --- |
  | `:access_pattern` | `:hot`, `:warm`, `:cold`: the temperature to start with. `:balanced` (default): by `:priority`. Others: no hint |
  | `:priority` | `:critical`, `:high`: hot; `:normal`: warm; `:low`, `:background`: cold |
  | `:entangled_with` | keys to link with, at strength 1.0, before the put answers |
  | `:quantum_entanglement` | `false`: `:entangled_with` is not acted on |
  | `:custom_metadata` | a map, kept with the value: `cosmic_metadata/1` |
  | `:data_mass`, `:temporal_weight` | numbers; their product, 1 to 16, is how many accesses the put counts for |
  | `:gravitational_routing` | `false`: `:access_pattern`, `:priority` and masses are not acted on |
  | `:entropy_monitoring`, `:shard_mass`, `:distance`, `:load_distribution`, `:ultra_fast` | accepted; the engine measures for itself |

  Unknown options are ignored, as ever.
  """

  alias WarpEngine.{
    Associations,
    EntropyMonitor,
    Group,
    Key,
    Load,
    Metrics,
    Native,
    QuantumIndex,
    Record,
    Store,
    Temperature,
    TermCache
  }

  # The paths of a put and a get call the functions of the NIF directly: 20 ns less.
  alias WarpEngine.Native.Nif

  # WARP_COLD, WARP_WARM, WARP_HOT, by the number of the temperature.
  @hints %{0 => 3, 1 => 2, 2 => 1}

  @type shard :: Temperature.shard()
  @type error :: {:error, Native.Error.t()}

  @doc """
  Starts the owner of the database, under the name `WarpEngine`. The application does this; the
  options are those of `WarpEngine.Config`.

      iex> {:error, {:already_started, pid}} = WarpEngine.start_link()
      iex> is_pid(pid)
      true
  """
  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(options \\ []), do: WarpEngine.Owner.start_link(options)

  @doc """
  Waits until the database is open, after a `progressive_start: true`.

      iex> WarpEngine.await_ready(1_000)
      :ok
  """
  @spec await_ready(timeout) :: :ok | {:error, :timeout | :not_running}
  def await_ready(timeout \\ 30_000) do
    GenServer.call(WarpEngine, :ready, timeout)
  catch
    :exit, {:timeout, _} -> {:error, :timeout}
    :exit, _ -> {:error, :not_running}
  end

  ## Values

  @doc """
  Stores a value under a key.

      iex> {:ok, :stored, :hot_data, _} = WarpEngine.cosmic_put({:session, 7}, "any term", access_pattern: :hot)
      iex> {:ok, "any term", :hot_data, _} = WarpEngine.cosmic_get({:session, 7})
  """
  @spec cosmic_put(term, term, keyword) :: {:ok, :stored, shard, pos_integer} | error
  def cosmic_put(key, value, options \\ [])

  def cosmic_put(key, value, []) do
    start = :os.perf_counter()

    case Store.get() do
      %Store{} = store -> put(store, key, value, start, nil, nil, 1)
      nil -> {:error, Store.not_running()}
    end
  end

  def cosmic_put(key, value, options) when is_list(options) do
    start = :os.perf_counter()
    placed? = Keyword.get(options, :gravitational_routing, true)
    hint = if placed?, do: Temperature.hint(options)
    weight = if placed?, do: Temperature.weight(options), else: 1

    with %Store{} = store <- Store.get(),
         {:ok, _, _, _} = stored <-
           put(store, key, value, start, hint, options[:custom_metadata], weight),
         :ok <- entangle(key, options) do
      stored
    else
      nil -> {:error, Store.not_running()}
      {:error, error} -> {:error, error}
    end
  end

  defp entangle(key, options) do
    case Keyword.get(options, :entangled_with, []) do
      [_ | _] = keys ->
        if Keyword.get(options, :quantum_entanglement, true),
          do: Associations.create(key, keys, 1.0, %{}),
          else: :ok

      _ ->
        :ok
    end
  end

  defp put(store, key, value, start, hint, metadata, weight) do
    heat = store.heat
    ekey = Key.encode(key)
    class = Temperature.at_put(hint)
    stamp = Record.stamp(class, Temperature.tick(heat, start))
    bytes = Record.encode(stamp, value, metadata)

    case store(store.ref, ekey, bytes, hint) do
      :ok ->
        if weight > 1, do: Temperature.touch(heat, Temperature.hash(ekey), start, weight)
        time = Store.elapsed(start)
        if Temperature.sampled?(start), do: count_put(store, ekey, start, time)
        if store.write_through, do: write_through(store, ekey, bytes, stamp, value)
        {:ok, :stored, Temperature.shard(class), time}

      error ->
        error
    end
  end

  # A hint is the engine's too: cold values get segments of their own.
  defp store(ref, ekey, bytes, nil), do: Nif.put(ref, ekey, bytes)
  defp store(ref, ekey, bytes, class), do: Nif.put_hinted(ref, ekey, bytes, @hints[class])

  defp count_put(store, ekey, start, time) do
    Temperature.touch(store.heat, Temperature.hash(ekey), start)
    note(store, time)
  end

  # Kept only if the revision is that of these bytes: another may have written since.
  defp write_through(store, ekey, bytes, stamp, value) do
    with 0 <- rem(Temperature.hash(ekey), store.write_through),
         true <- byte_size(bytes) <= 65_536,
         {:ok, ^bytes, revision} <- Nif.get_if_changed(store.ref, ekey, 0) do
      entry = {ekey, revision, stamp, Record.class(stamp), value}
      TermCache.insert(store.cache, entry, byte_size(bytes))
    end
  end

  # Calls and microseconds of those that are counted.
  defp note(store, time) do
    :counters.add(store.timing, 1, 1)
    :counters.add(store.timing, 2, time)
  end

  @doc """
  The value of a key.

      iex> WarpEngine.cosmic_put("planet", :earth)
      iex> {:ok, :earth, :warm_data, _} = WarpEngine.cosmic_get("planet")
      iex> {:error, :not_found, _} = WarpEngine.cosmic_get("no such planet")
  """
  @spec cosmic_get(term) ::
          {:ok, term, shard, pos_integer} | {:error, :not_found | Native.Error.t(), pos_integer}
  def cosmic_get(key) do
    start = :os.perf_counter()

    case Store.get() do
      %Store{cache: cache} = store ->
        ekey = Key.encode(key)

        case cache && TermCache.lookup(cache, ekey) do
          # What is kept is used without another look at the key's temperature.
          {_, revision, _, _, _, _} = entry ->
            store.ref
            |> Nif.get_if_changed(ekey, revision)
            |> known(entry, store, key, ekey, start)

          _ ->
            fetch(store, key, ekey, start)
        end

      nil ->
        {:error, Store.not_running(), Store.elapsed(start)}
    end
  end

  # A hit in the cache. The temperature is measured anew when the access is counted.
  defp known(:unchanged, {_, _, stamp, class, value, _} = entry, store, _key, ekey, start) do
    time = Store.elapsed(start)

    if Temperature.sampled?(start) do
      note(store, time)
      hash = Temperature.hash(ekey)
      Temperature.touch(store.heat, hash, start)
      now = temperature(store, hash, stamp, start)
      if now != class, do: TermCache.put(store.cache, put_elem(entry, 3, now))
    end

    {:ok, value, Temperature.shard(class), time}
  end

  # A key that was kept and has another value now is still worth keeping.
  defp known({:ok, bytes, revision}, _entry, store, key, ekey, start) do
    case Record.decode(bytes) do
      {:ok, stamp, value, _} ->
        class = temperature(store, Temperature.hash(ekey), stamp, start)
        TermCache.insert(store.cache, {ekey, revision, stamp, class, value}, byte_size(bytes))
        {:ok, value, Temperature.shard(class), Store.elapsed(start)}

      :error ->
        {:error, Store.invalid(key), Store.elapsed(start)}
    end
  end

  defp known(:not_found, _entry, store, _key, ekey, start) do
    TermCache.forget(store.cache, ekey)
    {:error, :not_found, Store.elapsed(start)}
  end

  defp known({:error, error}, _entry, _store, _key, _ekey, start) do
    {:error, error, Store.elapsed(start)}
  end

  # A get of what is not in the young table. Looking up how hot the key is takes as long as fetching
  # its record, so with a cache only one in 8 does, the one that is counted: it decides whether the
  # term is kept, and the others report what the put said.
  defp fetch(%{cache: %TermCache{sample: sample}} = store, key, ekey, start) when sample > 1 do
    if Temperature.sampled?(start),
      do: measured(store, key, ekey, start),
      else: store.ref |> Nif.get(ekey, false) |> decode(store, key, {ekey, nil, nil}, start)
  end

  defp fetch(store, key, ekey, start), do: measured(store, key, ekey, start)

  # Only what is hot can be in the old table, unless everything is kept.
  defp measured(store, key, ekey, start) do
    hash = Temperature.hash(ekey)
    count = Temperature.count(store.heat, hash, start)

    case keep?(store.cache, count) && TermCache.lookup_old(store.cache, ekey) do
      false ->
        store.ref |> Nif.get(ekey, false) |> decode(store, key, {ekey, hash, count}, start)

      :miss ->
        store.ref
        |> Nif.get_if_changed(ekey, 0)
        |> decode(store, key, {ekey, hash, count}, start)

      {_, revision, _, _, _, _} = entry ->
        answer = Nif.get_if_changed(store.ref, ekey, revision)
        if answer == :unchanged, do: TermCache.put(store.cache, entry)
        known(answer, entry, store, key, ekey, start)
    end
  end

  defp keep?(nil, _count), do: false
  defp keep?(%TermCache{sample: 1}, _count), do: true
  defp keep?(%TermCache{}, count), do: Temperature.hot?(count)

  # Without a revision it is not kept.
  defp decode({:ok, bytes}, store, key, about, start) do
    decode({:ok, bytes, nil}, store, key, about, start)
  end

  defp decode({:ok, bytes, revision}, store, key, {ekey, hash, count}, start) do
    case Record.decode(bytes) do
      {:ok, stamp, value, _} ->
        class = class(store, bytes, stamp, {ekey, count}, start)

        if revision && TermCache.admit?(store.cache, bytes, start),
          do:
            TermCache.insert(store.cache, {ekey, revision, stamp, class, value}, byte_size(bytes))

        time = Store.elapsed(start)

        if Temperature.sampled?(start) do
          Temperature.touch(store.heat, hash, start)
          note(store, time)
        end

        {:ok, value, Temperature.shard(class), time}

      :error ->
        {:error, Store.invalid(key), Store.elapsed(start)}
    end
  end

  defp decode(:not_found, _store, _key, _about, start) do
    {:error, :not_found, Store.elapsed(start)}
  end

  defp decode({:error, error}, _store, _key, _about, start) do
    {:error, error, Store.elapsed(start)}
  end

  # What is never kept has no other place where it would be known as hot.
  defp class(store, bytes, stamp, {ekey, nil}, start) do
    if TermCache.keeps?(bytes) and
         Temperature.fresh?(store.heat, start, Record.tick(stamp)),
       do: Record.class(stamp),
       else: temperature(store, Temperature.hash(ekey), stamp, start)
  end

  defp class(store, _bytes, stamp, {_ekey, count}, start) do
    Temperature.of_count(store.heat, count, start, Record.class(stamp), Record.tick(stamp))
  end

  defp temperature(store, hash, stamp, start) do
    Temperature.at_get(store.heat, hash, start, Record.class(stamp), Record.tick(stamp))
  end

  @doc """
  Deletes a key. The list says for each temperature whether the key was of it.

      iex> WarpEngine.cosmic_put("to delete", 1, access_pattern: :cold)
      iex> {:ok, list, _} = WarpEngine.cosmic_delete("to delete")
      iex> list
      [hot_data: :not_found, warm_data: :not_found, cold_data: :deleted]
      iex> {:ok, list, _} = WarpEngine.cosmic_delete("to delete")
      iex> list
      [hot_data: :not_found, warm_data: :not_found, cold_data: :not_found]
  """
  @spec cosmic_delete(term) ::
          {:ok, [{shard, :deleted | :not_found}], pos_integer}
          | {:error, Native.Error.t(), pos_integer}
  def cosmic_delete(key) do
    start = :os.perf_counter()

    case Store.get() do
      nil ->
        {:error, Store.not_running(), Store.elapsed(start)}

      store ->
        ekey = Key.encode(key)
        shard = shard_of(store, ekey, start)

        case Native.delete(store.db, ekey) do
          :ok -> {:ok, deleted(shard), Store.elapsed(start)}
          :not_found -> {:ok, deleted(nil), Store.elapsed(start)}
          {:error, error} -> {:error, error, Store.elapsed(start)}
        end
    end
  end

  # What another program has written is warm.
  defp shard_of(store, ekey, now) do
    with {:ok, bytes} <- Native.get(store.db, ekey),
         stamp when is_integer(stamp) <- Record.peek(bytes) do
      Group.shard(store, ekey, stamp, now)
    else
      _ -> :warm_data
    end
  end

  defp deleted(shard) do
    for name <- [:hot_data, :warm_data, :cold_data] do
      {name, if(name == shard, do: :deleted, else: :not_found)}
    end
  end

  @doc """
  The map that was given as `:custom_metadata` with the value.

      iex> WarpEngine.cosmic_put("with metadata", 1, custom_metadata: %{source: "import"})
      iex> WarpEngine.cosmic_metadata("with metadata")
      {:ok, %{source: "import"}}
  """
  @spec cosmic_metadata(term) :: {:ok, map} | {:error, :not_found | Native.Error.t()}
  def cosmic_metadata(key) do
    with %Store{} = store <- Store.get(),
         {:ok, bytes} <- Native.get(store.db, Key.encode(key)),
         {:ok, _, _, metadata} <- Record.decode(bytes) do
      {:ok, metadata || %{}}
    else
      nil -> {:error, Store.not_running()}
      :not_found -> {:error, :not_found}
      :error -> {:error, Store.invalid(key)}
      {:error, error} -> {:error, error}
    end
  end

  ## Links

  @doc """
  The value of a key together with the values of the keys that are linked to it, in one multi-get.

      iex> WarpEngine.cosmic_put("cart:5", [:book])
      iex> WarpEngine.cosmic_put("visitor:5", %{name: "Eve"}, entangled_with: ["cart:5"])
      iex> {:ok, %{value: value, quantum_data: data}} = WarpEngine.quantum_get("visitor:5")
      iex> {value, data.entangled_count, data.entangled_items, data.efficiency}
      {%{name: "Eve"}, 1, %{"cart:5" => {:ok, [:book], :warm_data}}, 1.0}

  Partners are the engine's: those of `create_quantum_entanglement/3`, of `:entangled_with`, and of
  the pattern rules; at most 32, the strongest first. `efficiency` is the share of them that exists.
  """
  @spec quantum_get(term) :: {:ok, map} | {:error, :not_found | Native.Error.t()}
  def quantum_get(key) do
    with {:ok, value, shard, items, time} <- Group.get(key, 32, 0.0) do
      efficiency = Group.efficiency(items)

      {:ok,
       %{
         value: value,
         shard: shard,
         quantum_data: %{
           entangled_count: map_size(items),
           entangled_items: items,
           quantum_efficiency: efficiency,
           efficiency: efficiency,
           access_pattern: :quantum_direct,
           operation_time: time
         }
       }}
    end
  end

  @doc """
  Links a key to others, both ways: `WarpEngine.QuantumIndex.create_entanglement/4`.

      iex> {:ok, id} = WarpEngine.create_quantum_entanglement("song:1", ["album:1"], strength: 0.9)
      iex> byte_size(id)
      32
      iex> WarpEngine.create_quantum_entanglement("song:1", "album:1")
      {:error, :invalid_parameters}
  """
  @spec create_quantum_entanglement(term, [term], number | [strength: number]) ::
          {:ok, String.t()} | {:error, :invalid_parameters | Native.Error.t()}
  def create_quantum_entanglement(primary, keys, strength \\ 1.0) do
    QuantumIndex.create_entanglement(primary, keys, strength)
  end

  @doc """
  `WarpEngine.QuantumIndex.quantum_metrics/0`.

      iex> is_float(WarpEngine.quantum_entanglement_metrics().quantum_efficiency)
      true
  """
  @spec quantum_entanglement_metrics() :: map
  def quantum_entanglement_metrics, do: QuantumIndex.quantum_metrics()

  ## Load

  @doc """
  What the monitor of the application measured last; see `WarpEngine.EntropyMonitor`.

      iex> is_float(WarpEngine.entropy_metrics().shannon_entropy)
      true
  """
  @spec entropy_metrics() :: map
  def entropy_metrics do
    case monitor() do
      :ok -> EntropyMonitor.get_entropy_metrics(:cosmic_entropy)
      {:error, :entropy_monitoring_disabled} -> %{error: "entropy_monitoring_disabled"}
      {:error, _} -> %{error: "entropy_monitor_unavailable"}
    end
  catch
    :exit, _ -> %{error: "entropy_monitor_unavailable"}
  end

  @doc """
  `WarpEngine.EntropyMonitor.trigger_rebalancing/2` of the application's monitor.

      iex> {:ok, report} = WarpEngine.trigger_entropy_rebalancing(force_rebalancing: true)
      iex> is_integer(report.data_items_moved)
      true
  """
  @spec trigger_entropy_rebalancing(keyword) ::
          {:ok, map}
          | {:error, :rebalancing_not_needed | :entropy_monitoring_disabled | Native.Error.t()}
  def trigger_entropy_rebalancing(options \\ []) do
    case monitor() do
      :ok -> EntropyMonitor.trigger_rebalancing(:cosmic_entropy, options)
      {:error, _} -> {:error, :entropy_monitoring_disabled}
    end
  end

  defp monitor do
    case Store.get() do
      nil ->
        {:error, :entropy_monitor_unavailable}

      store ->
        if WarpEngine.Config.monitor?(store.config),
          do: :ok,
          else: {:error, :entropy_monitoring_disabled}
    end
  end

  @doc """
  Rebalances whatever the load: `WarpEngine.Load.rebalance/1`. `rebalanced_shards` are those that got
  keys, `entropy_reduction` is by how much the disorder (0 to 1) of the operations fell.

      iex> {:ok, report} = WarpEngine.force_cosmic_rebalancing()
      iex> {is_list(report.rebalanced_shards), is_integer(report.data_migrated)}
      {true, true}
  """
  @spec force_cosmic_rebalancing() :: {:ok, map} | error
  def force_cosmic_rebalancing do
    with {:ok, moved} <- rebalance() do
      {:ok,
       %{
         rebalanced_shards: for(%{shard: shard} <- moved.shards, do: shard),
         data_migrated: moved.items,
         time_taken_ms: moved.time_ms,
         entropy_reduction: moved.after.evenness - moved.before.evenness
       }}
    end
  end

  @doc """
  As `force_cosmic_rebalancing/0`, in another shape: a migration is a slot of the engine, and there is
  a result for each shard that got keys. The keys themselves are not listed.

      iex> {:ok, report} = WarpEngine.force_gravitational_rebalancing()
      iex> {is_integer(report.successful_migrations), report.failed_migrations}
      {true, 0}
  """
  @spec force_gravitational_rebalancing() :: {:ok, map}
  def force_gravitational_rebalancing do
    case rebalance() do
      {:ok, moved} ->
        results =
          for %{shard: shard, items: items} <- moved.shards do
            {:ok, %{shard: shard, items: items, migrated_keys: [], migration_time: moved.time_ms}}
          end

        {:ok, migrations(moved.slots, 0, moved.time_ms, results)}

      {:error, error} ->
        {:ok, migrations(0, 1, 0, [{:error, error}])}
    end
  end

  defp migrations(done, failed, time_ms, results) do
    %{
      successful_migrations: done,
      failed_migrations: failed,
      total_duration_ms: time_ms,
      migration_results: results
    }
  end

  defp rebalance do
    case Store.get() do
      %Store{db: db} -> Load.rebalance(db)
      nil -> {:error, Store.not_running()}
    end
  end

  ## Metrics

  @doc """
  Figures of each shard of the engine.

      iex> metrics = WarpEngine.get_spacetime_shard_metrics()
      iex> is_integer(metrics.shard_0.data_items)
      true
  """
  @spec get_spacetime_shard_metrics() :: %{atom => map}
  defdelegate get_spacetime_shard_metrics(), to: Metrics, as: :shards

  @doc """
  How evenly the shards are loaded.

      iex> load = WarpEngine.analyze_load_distribution()
      iex> load.balance >= 0.0 and load.balance <= 1.0
      true
  """
  @spec analyze_load_distribution() :: map
  defdelegate analyze_load_distribution(), to: Metrics, as: :distribution

  @doc """
  Everything that is measured, in the original's shape.

      iex> WarpEngine.cosmic_put("measured", 1)
      iex> metrics = WarpEngine.cosmic_metrics()
      iex> {metrics.universe_state, metrics.performance.total_operations > 0}
      {:stable, true}
  """
  @spec cosmic_metrics() :: map
  defdelegate cosmic_metrics(), to: Metrics, as: :all

  @doc """
  There is no GPU.

      iex> WarpEngine.get_gpu_status()
      {:error, :gpu_not_initialized}
  """
  @spec get_gpu_status() :: {:error, :gpu_not_initialized}
  def get_gpu_status, do: {:error, :gpu_not_initialized}

  @doc """
  There is no GPU.

      iex> WarpEngine.gpu_acceleration_available?()
      false
  """
  @spec gpu_acceleration_available?() :: boolean
  def gpu_acceleration_available?, do: false
end
