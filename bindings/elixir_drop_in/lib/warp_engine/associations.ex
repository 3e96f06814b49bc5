defmodule WarpEngine.Associations do
  @moduledoc """
  Links between keys: what the original calls entanglement.

  The links, their strengths and the pattern rules are the engine's own
  (`WarpEngine.Native.Links`, `WarpEngine.Native.Placement`): they are part of the database, and a
  link that was acknowledged is as durable as a put. What the engine has no place for is kept beside
  them, below reserved keys (see `WarpEngine.Key.reserved/2`):

      entity:KEY    the entanglement that was created last with KEY as its primary
      group:TERM    the last keys that joined a group
      rules:        the pattern rules that this application has added

  A link is made before the entanglement's record, and both are there before the call returns. A
  crash in between leaves links that nobody was told of.

  The engine keeps 32 links of a key; to make room the weakest goes. Strengths are kept in single
  precision, so they come back rounded to six digits. A link of strength 0 is none.
  """

  alias WarpEngine.{Config, Key, Native, Store}
  alias WarpEngine.Native.{Links, Placement}

  @group_members 8

  @type entanglement :: %{
          id: String.t(),
          primary_key: term,
          entangled_keys: [term],
          strength: number,
          created_at: integer,
          last_observed: integer | nil,
          observation_count: non_neg_integer,
          quantum_state: :superposition | :collapsed,
          metadata: map
        }

  ## Reading

  @doc """
  Partners of a key with their strengths: links, the strongest first, then what the rules say, with
  strength 1.0.

      iex> WarpEngine.Associations.partners(WarpEngine.Store.get(), "user:partners-doc")
      [{"profile:partners-doc", 1.0}, {"settings:partners-doc", 1.0}, {"sessions:partners-doc", 1.0}]
  """
  @spec partners(Store.t(), term) :: [{term, float}]
  def partners(store, key) do
    for {ekey, strength} <- linked(store, Key.encode(key)), do: {Key.decode(ekey), strength}
  end

  @doc """
  The same with the engine's keys.

      iex> WarpEngine.Associations.linked(WarpEngine.Store.get(), "nothing is linked")
      []
  """
  @spec linked(Store.t(), binary) :: [{binary, float}]
  def linked(store, ekey) do
    case Links.all(store.db, ekey) do
      {:ok, partners} ->
        partners = for {to, strength} <- partners, do: {to, Float.round(strength, 6)}
        partners ++ for to <- directed(store.config, ekey), do: {to, 1.0}

      {:error, _} ->
        []
    end
  end

  # What the engine's rules cannot say, see WarpEngine.Config.divide/1.
  defp directed(%{directed: []}, _ekey), do: []

  defp directed(%{directed: directed}, ekey) do
    for {{prefix, suffix}, {before, rest}} <- directed,
        group = group(ekey, prefix, suffix),
        do: <<before::binary, group::binary, rest::binary>>
  end

  defp group(key, prefix, suffix) do
    {first, last} = {byte_size(prefix), byte_size(suffix)}
    middle = byte_size(key) - first - last

    case key do
      <<^prefix::binary-size(first), group::binary-size(middle), ^suffix::binary-size(last)>>
      when middle > 0 ->
        group

      _ ->
        nil
    end
  end

  @doc """
  The entanglement that was created last with this primary key, or `nil`.

      iex> WarpEngine.Associations.entanglement(WarpEngine.Store.get(), "nothing was created")
      nil
  """
  @spec entanglement(Store.t(), term) :: entanglement | nil
  def entanglement(store, primary), do: primary |> entity() |> read(store) |> elem(1)

  @doc """
  Counts over all entanglements, which are read for it, and the number of links in the engine.

      iex> summary = WarpEngine.Associations.summary(WarpEngine.Store.get())
      iex> is_integer(summary.relationships)
      true
  """
  @spec summary(Store.t()) :: %{
          entanglements: non_neg_integer,
          relationships: non_neg_integer,
          strength: float,
          collapsed: non_neg_integer
        }
  def summary(store) do
    none = %{entanglements: 0, relationships: relationships(store), strength: 0.0, collapsed: 0}

    for {_, bytes} <- Native.stream(store.db, prefix: Key.reserved("entity", "")), reduce: none do
      sum ->
        entity = :erlang.binary_to_term(bytes)
        collapsed = if entity.quantum_state == :collapsed, do: 1, else: 0

        %{
          sum
          | entanglements: sum.entanglements + 1,
            strength: sum.strength + entity.strength,
            collapsed: sum.collapsed + collapsed
        }
    end
  end

  defp relationships(store) do
    case Native.stats_json(store.db) do
      {:ok, json} -> WarpEngine.JSON.decode!(json)["links"]["by_hand"]
      {:error, _} -> 0
    end
  end

  ## Changing

  @doc """
  The id of an entanglement: MD5 of its keys, in hex digits.

      iex> WarpEngine.Associations.id("a", ["b", :c])
      "8ec2b3fa9f06be406b91a0ba48901141"
  """
  @spec id(term, [term]) :: String.t()
  def id(primary, keys) do
    text = text(primary) <> ":" <> Enum.map_join(keys, ",", &text/1)
    text |> :erlang.md5() |> Base.encode16(case: :lower)
  end

  defp text(key) when is_binary(key) or is_atom(key) or is_number(key), do: to_string(key)
  defp text(key), do: inspect(key, limit: :infinity)

  @doc """
  Links a key to others, both ways, and keeps the entanglement's record.

      iex> WarpEngine.Associations.create("assoc-doc", ["partner"], 0.5, %{})
      :ok
      iex> WarpEngine.Associations.partners(WarpEngine.Store.get(), "partner")
      [{"assoc-doc", 0.5}]
  """
  @spec create(term, [term], number, map) :: :ok | {:error, Native.Error.t()}
  def create(primary, keys, strength, metadata) do
    with_store(fn store ->
      keys = keys |> Enum.uniq() |> List.delete(primary)

      with :ok <- tie_all(store, primary, keys, strength) do
        entity = new_entity(primary, keys, strength, metadata)
        Native.put(store.db, entity(primary), :erlang.term_to_binary(entity))
      end
    end)
  end

  @doc """
  Removes the links of a key to some keys, or all that it has by hand, both ways; with the last key
  of its entanglement the record goes.

      iex> WarpEngine.Associations.create("assoc-gone", ["other"], 0.5, %{})
      iex> WarpEngine.Associations.remove("assoc-gone", :all)
      :ok
      iex> WarpEngine.Associations.partners(WarpEngine.Store.get(), "other")
      []
  """
  @spec remove(term, :all | [term]) :: :ok | {:error, Native.Error.t()}
  def remove(primary, which) do
    with_store(fn store ->
      ekey = Key.encode(primary)
      there = for {to, _} <- linked(store, ekey), do: to
      gone = if which == :all, do: there, else: Enum.map(which, &Key.encode/1)

      with :ok <- each(gone, &untie(store, ekey, &1)) do
        forget(store, primary, there -- gone)
      end
    end)
  end

  # The record goes with the last key that it names.
  defp forget(store, primary, left) do
    with %{entangled_keys: keys} <- entanglement(store, primary),
         false <- Enum.any?(keys, &(Key.encode(&1) in left)),
         :not_found <- Native.delete(store.db, entity(primary)) do
      :ok
    else
      {:error, error} -> {:error, error}
      _ -> :ok
    end
  end

  @doc """
  Counts an observation of a key's entanglement, if it has one.

      iex> WarpEngine.Associations.observe("nothing was created")
      :ok
  """
  @spec observe(term) :: :ok | {:error, Native.Error.t()}
  def observe(primary) do
    with_store(fn store ->
      update(store, entity(primary), fn
        nil ->
          nil

        entity ->
          %{
            entity
            | quantum_state: :collapsed,
              observation_count: entity.observation_count + 1,
              last_observed: System.system_time(:millisecond)
          }
      end)
    end)
  end

  @doc """
  Links a key to the last #{@group_members} that joined a group before it.

      iex> WarpEngine.Associations.join(:join_doc, "member 1", 0.5)
      iex> WarpEngine.Associations.join(:join_doc, "member 2", 0.5)
      :ok
      iex> WarpEngine.Associations.partners(WarpEngine.Store.get(), "member 1")
      [{"member 2", 0.5}]
  """
  @spec join(term, term, number) :: :ok | {:error, Native.Error.t()}
  def join(group, key, strength) do
    with_store(fn store ->
      name = Key.reserved("group", Key.encode(group))
      {_, members} = read(name, store)

      with :ok <- tie_all(store, key, List.delete(members || [], key), strength) do
        update(store, name, fn members ->
          members = members || []
          if key in members, do: members, else: Enum.take([key | members], @group_members)
        end)
      end
    end)
  end

  @doc """
  Gives the database the pattern rules of a configuration, and takes away those of an earlier one.

      iex> store = WarpEngine.Store.get()
      iex> WarpEngine.Associations.apply_rules(store.db, store.config)
      :ok
  """
  @spec apply_rules(Native.t(), Config.t()) :: :ok | {:error, Native.Error.t()}
  def apply_rules(db, config) do
    name = Key.reserved("rules", "")
    place = Config.get(config, :place_groups)
    wanted = for patterns <- config.engine_rules, do: {patterns, place}

    had =
      case Native.get(db, name) do
        {:ok, bytes} -> :erlang.binary_to_term(bytes)
        _ -> []
      end

    # The record names every rule of ours that may be there, whenever the process ends.
    with :ok <- record(db, name, Enum.uniq(had ++ wanted), had),
         :ok <- each(had -- wanted, &remove_rule(db, &1)),
         :ok <- each(wanted, &add_rule(db, &1)) do
      record(db, name, wanted, Enum.uniq(had ++ wanted))
    end
  end

  defp record(_db, _name, same, same), do: :ok
  defp record(db, name, rules, _before), do: Native.put(db, name, :erlang.term_to_binary(rules))

  defp remove_rule(db, {[pattern | _], _place}) do
    with :not_found <- Placement.remove_rule(db, pattern), do: :ok
  end

  # One that is there already stays.
  defp add_rule(db, {patterns, place}) do
    Placement.add_rule(db, patterns, place: place, link: true)
  end

  ## The engine's links

  defp tie_all(_store, _key, _others, strength) when strength == 0, do: :ok

  defp tie_all(store, key, others, strength) do
    ekey = Key.encode(key)

    each(others, fn other ->
      other = Key.encode(other)
      with :ok <- tie(store, ekey, other, strength), do: tie(store, other, ekey, strength)
    end)
  end

  # The arguments are in order, so an invalid one means that the key has as many as can be.
  defp tie(store, from, to, strength) do
    with {:error, %{reason: :invalid_argument}} <- Links.link(store.db, from, to, strength * 1.0) do
      case List.last(linked(store, from)) do
        {weakest, weaker} when weaker <= strength ->
          with :ok <- untie_one(store, from, weakest), do: tie(store, from, to, strength)

        # The new link is the weakest.
        _ ->
          :ok
      end
    end
  end

  defp untie(store, from, to) do
    with :ok <- untie_one(store, from, to), do: untie_one(store, to, from)
  end

  defp untie_one(store, from, to) do
    with :not_found <- Links.unlink(store.db, from, to), do: :ok
  end

  defp each(list, fun) do
    Enum.reduce_while(list, :ok, fn one, :ok ->
      case fun.(one) do
        :ok -> {:cont, :ok}
        error -> {:halt, error}
      end
    end)
  end

  ## Records

  defp new_entity(primary, keys, strength, metadata) do
    %{
      id: id(primary, keys),
      primary_key: primary,
      entangled_keys: keys,
      strength: strength,
      created_at: System.system_time(:millisecond),
      last_observed: nil,
      observation_count: 0,
      quantum_state: :superposition,
      metadata: metadata
    }
  end

  defp with_store(fun) do
    case Store.get() do
      %Store{} = store -> fun.(store)
      nil -> {:error, Store.not_running()}
    end
  end

  defp entity(primary), do: Key.reserved("entity", Key.encode(primary))

  defp read(name, store) do
    case Native.get(store.db, name) do
      {:ok, bytes} -> {bytes, :erlang.binary_to_term(bytes)}
      _ -> {nil, nil}
    end
  end

  # Against others that do the same at once.
  defp update(store, name, fun) do
    {bytes, term} = read(name, store)

    case fun.(term) do
      ^term ->
        :ok

      changed ->
        with :conflict <-
               Native.compare_and_swap(store.db, name, bytes, :erlang.term_to_binary(changed)),
             do: update(store, name, fun)
    end
  end
end
