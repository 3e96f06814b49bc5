defmodule WarpEngine.Native.Placement do
  @moduledoc """
  Placement: which keys belong together, and which shard has a key.

      iex> alias WarpEngine.Native
      iex> alias WarpEngine.Native.Placement
      iex> db = Native.open!(:memory, shards: 8)
      iex> Placement.add_rule(db, ["user:*", "profile:*", "settings:*"])
      :ok
      iex> Placement.shard_of(db, "user:42") == Placement.shard_of(db, "profile:42")
      true

  A rule is a list of patterns, each with one `*` that stands for one byte or more. What the star
  stands for names the group: `user:42`, `profile:42` and `settings:42` are the group 42, and the
  key of the first pattern is its primary. The keys of a group have one shard, and compaction lays
  them beside each other; a read of one with `WarpEngine.Native.Links.get_linked/2` returns all.
  The first rule with a pattern that fits a key counts. Rules are part of the database; the option
  `rules: "user:*,profile:*;order:*,items:*"` of `WarpEngine.Native.open/2` adds those it lacks.

  Every key has one of 4,096 slots, and every slot a shard. `rebalance/1` moves slots from hot
  shards to cool ones; with the option `auto_rebalance: true` the engine does so by itself.
  """

  import WarpEngine.Native.Answer
  alias WarpEngine.Native
  alias WarpEngine.Native.{Json, Nif}

  # WARP_RULE_PLACE, WARP_RULE_LINK
  @place 1
  @link 2

  @type pattern :: binary
  @type rule :: %{patterns: [pattern], place: boolean, link: boolean}
  @type shard :: non_neg_integer

  @typedoc "A placement slot."
  @type slot :: 0..4095

  @doc """
  Adds a rule of 1 to 16 patterns behind the others.

    * `:place` - the keys of a group have one shard and one place. Default `true`.
    * `:link` - the keys of a group are partners of each other. Default `true`.

  Keys that are there already go to their new shards before the call returns; reads go on
  meanwhile, and writes wait about a microsecond for each key concerned. So add rules early.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.Placement.add_rule(db, ["user:*", "profile:*"], link: false)
      :ok
      iex> {:error, error} = WarpEngine.Native.Placement.add_rule(db, ["no star"])
      iex> error.reason
      :invalid_argument
  """
  @spec add_rule(Native.db(), [pattern], place: boolean, link: boolean) :: :ok | Native.error()
  def add_rule(db, patterns, options \\ []) when is_list(patterns) do
    Nif.add_rule(ref(db), patterns, flags(options))
  end

  @doc """
  `add_rule/3` that raises.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.Placement.add_rule!(db, ["user:*", "profile:*"])
      :ok
  """
  @spec add_rule!(Native.db(), [pattern], place: boolean, link: boolean) :: :ok
  def add_rule!(db, patterns, options \\ []), do: value!(add_rule(db, patterns, options))

  @doc """
  Removes the rule whose first pattern this is. Its keys go back to the shards that they would
  have without it, as with `add_rule/3`.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.Placement.add_rule(db, ["user:*", "profile:*"])
      iex> WarpEngine.Native.Placement.remove_rule(db, "user:*")
      :ok
      iex> WarpEngine.Native.Placement.remove_rule(db, "user:*")
      :not_found
  """
  @spec remove_rule(Native.db(), pattern) :: :ok | :not_found | Native.error()
  def remove_rule(db, pattern) when is_binary(pattern), do: Nif.remove_rule(ref(db), pattern)

  @doc """
  `remove_rule/2` that raises errors. That there is no such rule is none.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.Placement.remove_rule!(db, "user:*")
      :not_found
  """
  @spec remove_rule!(Native.db(), pattern) :: :ok | :not_found
  def remove_rule!(db, pattern) do
    with {:error, error} <- remove_rule(db, pattern), do: raise(error)
  end

  @doc """
  All rules, in the order in which they count. Bytes of patterns that are no UTF-8 come replaced.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.Placement.add_rule(db, ["user:*", "profile:*"])
      iex> WarpEngine.Native.Placement.rules(db)
      {:ok, [%{patterns: ["user:*", "profile:*"], place: true, link: true}]}
  """
  @spec rules(Native.db()) :: {:ok, [rule]} | Native.error()
  def rules(db) do
    with {:ok, json} <- Nif.rules_json(ref(db)) do
      {:object, [{"rules", rules}]} = Json.parse!(json)
      {:ok, Enum.map(rules, &rule/1)}
    end
  end

  @doc """
  `rules/1` that raises.

      iex> WarpEngine.Native.Placement.rules!(WarpEngine.Native.open!(:memory))
      []
  """
  @spec rules!(Native.db()) :: [rule]
  def rules!(db), do: value!(rules(db))

  @doc """
  The shard of a key, whether the key exists or not. Rules and rebalancing may change it.

      iex> db = WarpEngine.Native.open!(:memory, shards: 1)
      iex> WarpEngine.Native.Placement.shard_of(db, "any key")
      {:ok, 0}
  """
  @spec shard_of(Native.db(), Native.key()) :: {:ok, shard} | Native.error()
  def shard_of(db, key) when is_binary(key), do: Nif.shard_of(ref(db), key)

  @doc """
  `shard_of/2` that raises.

      iex> WarpEngine.Native.Placement.shard_of!(WarpEngine.Native.open!(:memory, shards: 1), "key")
      0
  """
  @spec shard_of!(Native.db(), Native.key()) :: shard
  def shard_of!(db, key), do: value!(shard_of(db, key))

  @doc """
  The core that works for a shard with `pin_shards: true`, or would without that option.

      iex> db = WarpEngine.Native.open!(:memory, shards: 2)
      iex> {:ok, cpu} = WarpEngine.Native.Placement.shard_cpu(db, 1)
      iex> is_integer(cpu)
      true
  """
  @spec shard_cpu(Native.db(), shard) :: {:ok, non_neg_integer} | Native.error()
  def shard_cpu(db, shard) when is_integer(shard), do: Nif.shard_cpu(ref(db), shard)

  @doc """
  `shard_cpu/2` that raises.

      iex> is_integer(WarpEngine.Native.Placement.shard_cpu!(WarpEngine.Native.open!(:memory), 0))
      true
  """
  @spec shard_cpu!(Native.db(), shard) :: non_neg_integer
  def shard_cpu!(db, shard), do: value!(shard_cpu(db, shard))

  @doc """
  Moves slots from hot shards to cool ones until the load is even, and says how many.

  The load is what the load monitor has seen in the last seconds, or, if that is too little, the
  bytes that are stored. Reads go on meanwhile; a write waits while the index entries of one slot
  move. A crash leaves every record, and the placement from before or after.

      iex> WarpEngine.Native.Placement.rebalance(WarpEngine.Native.open!(:memory, shards: 1))
      {:ok, 0}
  """
  @spec rebalance(Native.db()) :: {:ok, non_neg_integer} | Native.error()
  def rebalance(db), do: Nif.rebalance(ref(db))

  @doc """
  `rebalance/1` that raises.

      iex> WarpEngine.Native.Placement.rebalance!(WarpEngine.Native.open!(:memory, shards: 1))
      0
  """
  @spec rebalance!(Native.db()) :: non_neg_integer
  def rebalance!(db), do: value!(rebalance(db))

  @doc """
  Moves one slot to a shard, whatever the load.

      iex> db = WarpEngine.Native.open!(:memory, shards: 2)
      iex> for slot <- 0..4095, do: WarpEngine.Native.Placement.move_slot(db, slot, 1)
      iex> WarpEngine.Native.Placement.shard_of(db, "any key")
      {:ok, 1}
  """
  @spec move_slot(Native.db(), slot, shard) :: :ok | Native.error()
  def move_slot(db, slot, shard) when is_integer(slot) and is_integer(shard) do
    Nif.move_slot(ref(db), slot, shard)
  end

  @doc """
  `move_slot/3` that raises.

      iex> WarpEngine.Native.Placement.move_slot!(WarpEngine.Native.open!(:memory), 0, 0)
      :ok
  """
  @spec move_slot!(Native.db(), slot, shard) :: :ok
  def move_slot!(db, slot, shard), do: value!(move_slot(db, slot, shard))

  defp flags(options) do
    place = Keyword.get(options, :place, true)
    link = Keyword.get(options, :link, true)

    unless Keyword.keys(options) -- [:place, :link] == [] and is_boolean(place) and
             is_boolean(link) do
      raise ArgumentError,
            "the options of a rule are [place: boolean, link: boolean], not #{inspect(options)}"
    end

    if(place, do: @place, else: 0) + if link, do: @link, else: 0
  end

  # By name: later versions of the engine may tell more of a rule.
  defp rule({:object, fields}) do
    fields = Map.new(fields)
    %{patterns: fields["patterns"], place: fields["place"], link: fields["link"]}
  end
end
