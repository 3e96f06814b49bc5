defmodule WarpEngine.QuantumIndex do
  @moduledoc """
  Entanglements, by the original's names: links between keys that are kept in the database.

  The original's named tables (`:quantum_primary_index` and others) do not exist; links survive
  restarts, are bounded for each key, and are what `WarpEngine.quantum_get/1` follows. They are the
  engine's: what it keeps and what is kept beside it stands in `WarpEngine.Associations`.
  """

  alias WarpEngine.{Associations, Config, Store}

  @doc """
  Nothing needs to be initialised: links are part of the database.

      iex> WarpEngine.QuantumIndex.initialize_quantum_system()
      :ok
  """
  @spec initialize_quantum_system() :: :ok
  def initialize_quantum_system, do: :ok

  @doc """
  Links `primary` to `keys`, both ways. The strength is a number of 0 to 1, or `strength: number`.

      iex> {:ok, id} = WarpEngine.QuantumIndex.create_entanglement("user:9", ["cart:9"], strength: 0.9)
      iex> byte_size(id)
      32
      iex> WarpEngine.QuantumIndex.create_entanglement(nil, ["cart:9"])
      {:error, :invalid_parameters}
      iex> WarpEngine.QuantumIndex.create_entanglement("user:9", ["cart:9"], 2.0)
      {:error, :invalid_parameters}
  """
  @spec create_entanglement(term, [term], number | [strength: number], map) ::
          {:ok, String.t()} | {:error, :invalid_parameters | WarpEngine.Native.Error.t()}
  def create_entanglement(primary, keys, strength \\ 1.0, metadata \\ %{})

  def create_entanglement(primary, keys, options, metadata) when is_list(options) do
    strength = if Keyword.keyword?(options), do: Keyword.get(options, :strength, 1.0)
    create_entanglement(primary, keys, strength, metadata)
  end

  def create_entanglement(primary, keys, strength, metadata)
      when primary != nil and is_list(keys) and is_number(strength) and strength >= 0 and
             strength <= 1 and is_map(metadata) do
    with :ok <- Associations.create(primary, keys, strength, metadata) do
      {:ok, Associations.id(primary, keys |> Enum.uniq() |> List.delete(primary))}
    end
  end

  def create_entanglement(_primary, _keys, _strength, _metadata) do
    {:error, :invalid_parameters}
  end

  @doc """
  The value of a key and of its partners, the strongest first.

  Options: `:max_entangled` (10), `:min_strength` (0.1). The original's tables of shards are taken
  and not needed; its `:timeout` is not either, because no process is waited for.

      iex> WarpEngine.cosmic_put("observe:1", 1)
      iex> WarpEngine.cosmic_put("observe:2", 2)
      iex> WarpEngine.QuantumIndex.create_entanglement("observe:1", ["observe:2", "observe:3"])
      iex> {:ok, value, partners, about} = WarpEngine.QuantumIndex.observe_quantum_data("observe:1", %{})
      iex> {value, partners}
      {1, %{"observe:2" => {:ok, 2, :warm_data}, "observe:3" => {:error, :not_found}}}
      iex> about.entanglement_efficiency
      0.5
  """
  @spec observe_quantum_data(term, map, keyword) ::
          {:ok, term, map, map} | {:error, :not_found | WarpEngine.Native.Error.t()}
  def observe_quantum_data(key, tables, options \\ []) when is_map(tables) do
    max = Keyword.get(options, :max_entangled, 10)
    min = Keyword.get(options, :min_strength, 0.1)

    with {:ok, value, shard, items, time} <- WarpEngine.Group.get(key, max, min) do
      Associations.observe(key)

      {:ok, value, items,
       %{
         primary_shard: shard,
         entangled_count: map_size(items),
         quantum_operation_time: time,
         quantum_state: :collapsed,
         entanglement_efficiency: WarpEngine.Group.efficiency(items)
       }}
    end
  end

  @doc """
  Removes the links of `primary` to some keys, or all of them, both ways.

      iex> WarpEngine.QuantumIndex.create_entanglement("remove:1", ["remove:2"])
      iex> WarpEngine.QuantumIndex.remove_entanglement("remove:1", :all)
      :ok
      iex> WarpEngine.Associations.partners(WarpEngine.Store.get(), "remove:2")
      []
  """
  @spec remove_entanglement(term, :all | [term]) :: :ok | {:error, WarpEngine.Native.Error.t()}
  def remove_entanglement(primary, which) when which == :all or is_list(which) do
    Associations.remove(primary, which)
  end

  @doc """
  Counts over all links. A relationship is one direction of a link.

      iex> metrics = WarpEngine.QuantumIndex.quantum_metrics()
      iex> metrics.cached_patterns
      6
  """
  @spec quantum_metrics() :: map
  def quantum_metrics do
    case Store.get() do
      nil -> metrics(%{entanglements: 0, relationships: 0, strength: 0.0, collapsed: 0}, [])
      store -> metrics(Associations.summary(store), Config.rules(store.config))
    end
  end

  defp metrics(summary, rules) do
    count = summary.entanglements
    average = if count == 0, do: 0.0, else: summary.strength / count

    %{
      total_entanglements: count,
      total_quantum_relationships: summary.relationships,
      cached_patterns: length(rules),
      average_entanglement_strength: average,
      quantum_efficiency: min(1.2 * average, 1.0),
      superposition_count: count - summary.collapsed,
      collapsed_count: summary.collapsed
    }
  end

  @doc """
  Nothing needs to be done: the engine applies the pattern rules to every key when it is read.

      iex> WarpEngine.QuantumIndex.apply_entanglement_patterns("user:applied", %{})
      :ok
      iex> [{partner, 1.0} | _] = WarpEngine.Associations.partners(WarpEngine.Store.get(), "user:applied")
      iex> partner
      "profile:applied"
  """
  @spec apply_entanglement_patterns(term, term) :: :ok
  def apply_entanglement_patterns(_key, _value), do: :ok
end
