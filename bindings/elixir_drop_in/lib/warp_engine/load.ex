defmodule WarpEngine.Load do
  @moduledoc """
  How evenly the shards are loaded, from the engine's own counters of each.

  Entropies are Shannon's, in bits: −Σ p·log₂ p over the shards' shares. All in one shard is 0, even
  over n shards is log₂ n. The engine counts writes, keys and bytes by shard, and reads only in
  all; so load means writes.

  The engine will have a load monitor of its own; this module is what it replaces.
  """

  alias WarpEngine.{JSON, Native}

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
          write_entropy: float,
          key_entropy: float,
          byte_entropy: float,
          entropy_max: float,
          live_share: float,
          resident_bytes: non_neg_integer,
          operations: non_neg_integer
        }

  @doc """
  The load since open. Of `before`, an earlier answer, the writes before it are not counted.

      iex> load = WarpEngine.Load.measure(WarpEngine.Store.get().db)
      iex> load.key_entropy <= load.entropy_max
      true
  """
  @spec measure(Native.db(), t | nil) :: t
  def measure(db, before \\ nil) do
    case Native.stats_json(db) do
      {:ok, json} -> json |> JSON.decode!() |> load(before)
      {:error, _} -> empty()
    end
  end

  @doc """
  The load of no database.

      iex> WarpEngine.Load.empty().shards
      []
  """
  @spec empty() :: t
  def empty, do: load(%{"shard" => []}, nil)

  defp load(stats, before) do
    shards = Enum.map(stats["shard"], &shard/1)
    written = subtract(Enum.map(shards, & &1.writes), before)
    bytes = Enum.map(shards, & &1.bytes)
    total = Enum.sum(bytes)
    dead = shards |> Enum.map(& &1.dead_bytes) |> Enum.sum()

    %{
      shards: shards,
      write_entropy: entropy(written),
      key_entropy: entropy(Enum.map(shards, & &1.keys)),
      byte_entropy: entropy(bytes),
      entropy_max: if(shards == [], do: 0.0, else: :math.log2(length(shards))),
      live_share: if(total == 0, do: 1.0, else: max(0.0, 1 - dead / total)),
      resident_bytes: Map.get(stats, "resident_bytes", 0),
      operations: for(name <- ~w(puts gets deletes), do: Map.get(stats, name, 0)) |> Enum.sum()
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
  Writes of each shard since an earlier answer.

      iex> WarpEngine.Load.subtract([3, 4], nil)
      [3, 4]
  """
  @spec subtract([non_neg_integer], t | nil) :: [non_neg_integer]
  def subtract(writes, %{shards: before}) when length(before) == length(writes) do
    writes |> Enum.zip(before) |> Enum.map(fn {now, %{writes: then}} -> max(0, now - then) end)
  end

  def subtract(writes, _before), do: writes

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
