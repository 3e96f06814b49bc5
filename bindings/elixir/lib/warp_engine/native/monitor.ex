defmodule WarpEngine.Native.Monitor do
  @moduledoc """
  The load monitor: how operations spread over shards, slots and keys.

  It runs unless `load_monitor: false` was given to `WarpEngine.Native.open/2`, and costs callers
  nothing: writes are counted, reads are sampled, and what happened half a second ago counts half.
  The load counts as skewed while the normalised Shannon entropy of the operations over the shards
  (1: even, 0: one shard has all) is below the option `skew_percent`.

  Events are polled, with the number that the last answer gave:

      iex> db = WarpEngine.Native.open!(:memory)
      iex> {:ok, {events, next}} = WarpEngine.Native.Monitor.events(db)
      iex> events
      []
      iex> WarpEngine.Native.Monitor.events(db, next)
      {:ok, {[], next}}
  """

  import WarpEngine.Native.Answer
  alias WarpEngine.Native
  alias WarpEngine.Native.{Json, Nif}

  @typedoc """
  The load as it is now, each rate a second and decayed.

    * `:operation_entropy`, `:byte_entropy` - 0.0 to 1.0, over the shards
    * `:trend_per_second` - how the entropy of the operations changes
    * `:shard_operations_per_second` - by shard; empty while nothing has been seen
    * `:hot_slots`, `:hot_keys` - the hottest, with their shares of all operations. Bytes of keys
      that are no UTF-8 come replaced.
  """
  @type load :: %{
          operations_per_second: number,
          bytes_per_second: number,
          operation_entropy: float,
          byte_entropy: float,
          trend_per_second: float,
          skewed: boolean,
          shard_operations_per_second: [number],
          hot_slots: [{0..4095, float}],
          hot_keys: [{String.t(), float}]
        }

  @typedoc """
  Something that happened.

    * `:number` - events are numbered one by one
    * `:at_ms` - milliseconds since the database was opened
    * `:entropy` - of the operations, then
    * `:shard`, `:share` - the hottest shard then, and its share of the operations
  """
  @type event :: %{
          number: non_neg_integer,
          kind: :skew_began | :skew_ended | :rebalanced | String.t(),
          at_ms: non_neg_integer,
          entropy: float,
          shard: non_neg_integer,
          share: float
        }

  @doc """
  The load as it is now.

      iex> db = WarpEngine.Native.open!(:memory, shards: 4)
      iex> {:ok, load} = WarpEngine.Native.Monitor.load(db)
      iex> load.skewed
      false
  """
  @spec load(Native.db()) :: {:ok, load} | Native.error()
  def load(db) do
    with {:ok, json} <- Nif.stats_json(ref(db)) do
      {:object, fields} = Json.parse!(json)
      {"load", {:object, load}} = List.keyfind(fields, "load", 0)
      {:ok, load_of(Map.new(load))}
    end
  end

  @doc """
  `load/1` that raises.

      iex> WarpEngine.Native.Monitor.load!(WarpEngine.Native.open!(:memory)).hot_keys
      []
  """
  @spec load!(Native.db()) :: load
  def load!(db), do: value!(load(db))

  @doc """
  The events from number `from` on, and the number to ask from next time. The last 256 are kept.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> {:ok, {events, next}} = WarpEngine.Native.Monitor.events(db, 0)
      iex> {events, is_integer(next)}
      {[], true}
  """
  @spec events(Native.db(), non_neg_integer) ::
          {:ok, {[event], next :: non_neg_integer}} | Native.error()
  def events(db, from \\ 0) when is_integer(from) do
    with {:ok, json} <- Nif.events_json(ref(db), from) do
      {:object, fields} = Json.parse!(json)
      fields = Map.new(fields)
      {:ok, {Enum.map(fields["events"], &event/1), fields["next"]}}
    end
  end

  @doc """
  `events/2` that raises.

      iex> {events, _next} = WarpEngine.Native.Monitor.events!(WarpEngine.Native.open!(:memory))
      iex> events
      []
  """
  @spec events!(Native.db(), non_neg_integer) :: {[event], next :: non_neg_integer}
  def events!(db, from \\ 0), do: value!(events(db, from))

  @doc """
  All statistics, those of the load monitor too, as OpenMetrics text for a scraper.

      iex> {:ok, text} = WarpEngine.Native.Monitor.openmetrics(WarpEngine.Native.open!(:memory))
      iex> String.ends_with?(text, "# EOF\\n")
      true
  """
  @spec openmetrics(Native.db()) :: {:ok, String.t()} | Native.error()
  def openmetrics(db), do: Nif.openmetrics(ref(db))

  @doc """
  `openmetrics/1` that raises.

      iex> WarpEngine.Native.Monitor.openmetrics!(WarpEngine.Native.open!(:memory)) =~ "entropy"
      true
  """
  @spec openmetrics!(Native.db()) :: String.t()
  def openmetrics!(db), do: value!(openmetrics(db))

  # By name, here and below: later versions of the engine may tell more.
  defp load_of(fields) do
    %{
      operations_per_second: fields["operations_per_second"],
      bytes_per_second: fields["bytes_per_second"],
      operation_entropy: fields["operation_entropy"],
      byte_entropy: fields["byte_entropy"],
      trend_per_second: fields["trend_per_second"],
      skewed: fields["skewed"],
      shard_operations_per_second: fields["shard_operations_per_second"],
      hot_slots: shares(fields["hot_slots"], "slot"),
      hot_keys: shares(fields["hot_keys"], "key")
    }
  end

  defp shares(list, name) do
    for {:object, fields} <- list do
      fields = Map.new(fields)
      {fields[name], fields["share"]}
    end
  end

  defp event({:object, fields}) do
    fields = Map.new(fields)

    %{
      number: fields["number"],
      kind: kind(fields["kind"]),
      at_ms: fields["at_ms"],
      entropy: fields["entropy"],
      shard: fields["shard"],
      share: fields["share"]
    }
  end

  defp kind("skew_began"), do: :skew_began
  defp kind("skew_ended"), do: :skew_ended
  defp kind("rebalanced"), do: :rebalanced
  # One of a later version.
  defp kind(other), do: other
end
