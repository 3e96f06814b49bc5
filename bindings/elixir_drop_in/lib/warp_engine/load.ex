defmodule WarpEngine.Load do
  @moduledoc """
  How evenly the shards are loaded: the figures of the engine's load monitor
  (`WarpEngine.Native.Monitor`) and its counters of each shard.

  Entropies are Shannon's, in bits: −Σ p·log₂ p over the shards' shares. All in one shard is 0, even
  over n shards is log₂ n. The engine counts writes, samples reads, and lets what happened half a
  second ago count half; while it has seen too little to judge, the load is even.
  """

  alias WarpEngine.{JSON, Native}
  alias WarpEngine.Native.Placement

  @type shard :: %{
          keys: non_neg_integer,
          writes: non_neg_integer,
          bytes: non_neg_integer,
          dead_bytes: non_neg_integer,
          index_bytes: non_neg_integer,
          disk_bytes: non_neg_integer
        }
  @type t :: %{
          shards: [shard],
          operation_entropy: float,
          byte_entropy: float,
          key_entropy: float,
          entropy_max: float,
          evenness: float,
          trend_per_second: float,
          skewed: boolean,
          operations_per_second: float,
          hot_keys: [String.t()],
          live_share: float,
          resident_bytes: non_neg_integer
        }
  @type rebalanced :: %{
          slots: non_neg_integer,
          items: non_neg_integer,
          shards: [%{shard: atom, items: non_neg_integer}],
          time_ms: non_neg_integer,
          before: t,
          after: t
        }

  @doc """
  The load as it is now.

      iex> load = WarpEngine.Load.measure(WarpEngine.Store.get().db)
      iex> load.key_entropy <= load.entropy_max and load.evenness <= 1.0
      true
  """
  @spec measure(Native.db()) :: t
  def measure(db) do
    case Native.stats_json(db) do
      {:ok, json} -> json |> JSON.decode!() |> load()
      {:error, _} -> empty()
    end
  end

  @doc """
  The load of no database.

      iex> WarpEngine.Load.empty().shards
      []
  """
  @spec empty() :: t
  def empty, do: load(%{"shard" => []})

  defp load(stats) do
    shards = Enum.map(stats["shard"], &shard/1)
    total = shards |> Enum.map(& &1.bytes) |> Enum.sum()
    dead = shards |> Enum.map(& &1.dead_bytes) |> Enum.sum()
    max = if shards == [], do: 0.0, else: :math.log2(length(shards))
    monitor = Map.get(stats, "load", %{})
    evenness = Map.get(monitor, "operation_entropy", 1.0) * 1.0

    %{
      shards: shards,
      operation_entropy: evenness * max,
      byte_entropy: Map.get(monitor, "byte_entropy", 1.0) * max,
      key_entropy: entropy(Enum.map(shards, & &1.keys)),
      entropy_max: max,
      evenness: evenness,
      trend_per_second: Map.get(monitor, "trend_per_second", 0.0) * max,
      skewed: Map.get(monitor, "skewed", false),
      operations_per_second: Map.get(monitor, "operations_per_second", 0.0) * 1.0,
      hot_keys: for(%{"key" => key} <- Map.get(monitor, "hot_keys", []), do: key),
      live_share: if(total == 0, do: 1.0, else: max(0.0, 1 - dead / total)),
      resident_bytes: Map.get(stats, "resident_bytes", 0)
    }
  end

  defp shard(stats) do
    %{
      keys: Map.get(stats, "keys", 0),
      writes: Map.get(stats, "puts", 0) + Map.get(stats, "deletes", 0),
      bytes: Map.get(stats, "log_bytes", 0),
      dead_bytes: Map.get(stats, "dead_bytes", 0),
      index_bytes: Map.get(stats, "index_bytes", 0),
      disk_bytes: Map.get(stats, "disk_bytes", 0)
    }
  end

  @doc """
  Has the engine move slots from hot shards to cool ones until the load is even, while it serves.

  `slots` is what the engine says it moved. `items` are the keys that the shards have gained from
  others, by the counts before and after: exact while nobody adds or deletes keys meanwhile.

      iex> {:ok, moved} = WarpEngine.Load.rebalance(WarpEngine.Store.get().db)
      iex> moved.items == moved.shards |> Enum.map(& &1.items) |> Enum.sum()
      true
  """
  @spec rebalance(Native.db()) :: {:ok, rebalanced} | {:error, Native.Error.t()}
  def rebalance(db) do
    start = System.monotonic_time(:millisecond)
    before = measure(db)

    with {:ok, slots} <- Placement.rebalance(db) do
      load = measure(db)
      # Without a moved slot a difference is somebody else's.
      gained = if slots == 0, do: [], else: gained(before.shards, load.shards)

      {:ok,
       %{
         slots: slots,
         items: gained |> Enum.map(& &1.items) |> Enum.sum(),
         shards: gained,
         time_ms: System.monotonic_time(:millisecond) - start,
         before: before,
         after: load
       }}
    end
  end

  # At most 1,024 names, the engine's bound.
  defp gained(before, shards) do
    for {{%{keys: was}, %{keys: is}}, i} <- before |> Enum.zip(shards) |> Enum.with_index(),
        is > was,
        do: %{shard: :"shard_#{i}", items: is - was}
  end

  @doc """
  Shannon's entropy of some weights, in bits.

      iex> WarpEngine.Load.entropy([1, 1, 1, 1])
      2.0
      iex> WarpEngine.Load.entropy([5, 0, 0])
      0.0
      iex> WarpEngine.Load.entropy([])
      0.0
  """
  @spec entropy([number]) :: float
  def entropy(weights) do
    total = Enum.sum(weights)

    for weight <- weights, weight > 0, reduce: 0.0 do
      sum -> sum - weight / total * :math.log2(weight / total)
    end
  end
end
