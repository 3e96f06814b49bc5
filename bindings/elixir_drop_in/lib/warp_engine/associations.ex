defmodule WarpEngine.Associations do
  @moduledoc """
  Links between keys, kept in the database: what the original calls entanglement.

  The engine will have links of its own. Until then they are ordinary records below reserved keys
  (see `WarpEngine.Key.reserved/2`), and this module, which is all that knows of them, is what the
  engine's calls replace:

      link:KEY      %{partner => strength}, both directions, at most `:max_links` of a key
      entity:KEY    the entanglement that was created last with KEY as its primary
      group:TERM    the last keys that joined a group
      summary:      %{entanglements, relationships, strength, collapsed}

  A change is one batch of the engine: all of it is there after a crash or none, and the summary
  fits the links. Changes are made one after the other by `WarpEngine.Owner`; reads ask nobody.

  Pattern rules (`"user:*"` with `["profile:*"]`) need no records: they are applied to a key when
  its partners are asked for, to every key. What is after the first `:` of the key takes the place
  of the target's star. A rule's strength is 0.8; a link's own strength goes before it.
  """

  alias WarpEngine.{Config, Key, Native, Store}
  alias WarpEngine.Native.Batch

  @rule_strength 0.8
  @group_members 8
  @summary %{entanglements: 0, relationships: 0, strength: 0.0, collapsed: 0}

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
  @type change ::
          {:create, term, [term], number, map}
          | {:remove, term, :all | [term]}
          | {:observe, term}
          | {:join, term, term, number}

  ## Reading

  @doc """
  Partners of a key with their strengths, the strongest first: links, then what the rules say.

      iex> WarpEngine.Associations.partners(WarpEngine.Store.get(), "user:partners-doc")
      [{"profile:partners-doc", 0.8}, {"sessions:partners-doc", 0.8}, {"settings:partners-doc", 0.8}]
  """
  @spec partners(Store.t(), term) :: [{term, number}]
  def partners(store, key) do
    ruled = for partner <- by_rule(store.config, key), do: {partner, @rule_strength}

    case read(store, :link, key, %{}) do
      links when map_size(links) == 0 -> ruled
      links -> ruled |> Map.new() |> Map.merge(links) |> Enum.sort_by(fn {k, s} -> {-s, k} end)
    end
  end

  @doc """
  Keys that the rules join to a key.

      iex> {:ok, config} = WarpEngine.Config.new([])
      iex> WarpEngine.Associations.by_rule(config, "order:7")
      ["customer:7", "payment:7", "products:7"]
      iex> WarpEngine.Associations.by_rule(config, {:order, 7})
      []
  """
  @spec by_rule(Config.t(), term) :: [String.t()]
  def by_rule(config, key) when is_binary(key) do
    with [_ | _] = rules <- config.split_rules,
         [_, group] <- :binary.split(key, ":"),
         [_ | _] = targets <- targets(rules, key, group) do
      targets |> Enum.sort() |> Enum.dedup() |> List.delete(key)
    else
      _ -> []
    end
  end

  def by_rule(_config, _key), do: []

  defp targets(rules, key, group) do
    for {pattern, targets} <- rules, fits?(pattern, key), {prefix, suffix} <- targets do
      if suffix, do: <<prefix::binary, group::binary, suffix::binary>>, else: prefix
    end
  end

  @doc """
  Whether a key fits a pattern with at most one star.

      iex> WarpEngine.Associations.matches?("user:*:draft", "user:7:draft")
      true
      iex> WarpEngine.Associations.matches?("user:*", "users:7")
      false
  """
  @spec matches?(String.t(), String.t()) :: boolean
  def matches?(pattern, key), do: pattern |> Config.split() |> fits?(key)

  defp fits?({text, nil}, key), do: text == key

  defp fits?({prefix, suffix}, key) do
    before = byte_size(prefix)
    last = byte_size(suffix)
    middle = byte_size(key) - before - last

    middle >= 0 and
      match?(
        <<^prefix::binary-size(before), _::binary-size(middle), ^suffix::binary-size(last)>>,
        key
      )
  end

  @doc """
  The entanglement that was created last with this primary key, or `nil`.

      iex> WarpEngine.Associations.entanglement(WarpEngine.Store.get(), "nothing was created")
      nil
  """
  @spec entanglement(Store.t(), term) :: entanglement | nil
  def entanglement(store, primary), do: read(store, :entity, primary, nil)

  @doc """
  Counts over all links.

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
  def summary(store), do: Map.merge(@summary, read(store, :summary, "", %{}))

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
  Has a change made by the owner.

      iex> WarpEngine.Associations.change({:create, "assoc-doc", ["partner"], 0.5, %{}})
      :ok
      iex> WarpEngine.Associations.partners(WarpEngine.Store.get(), "partner")
      [{"assoc-doc", 0.5}]
  """
  @spec change(change) :: :ok | {:error, Native.Error.t()}
  def change(change) do
    GenServer.call(WarpEngine, {:associate, change}, :infinity)
  catch
    :exit, _ -> {:error, Store.not_running()}
  end

  @doc false
  @spec apply_change(Store.t() | nil, change) :: :ok | {:error, Native.Error.t()}
  def apply_change(nil, _change), do: {:error, Store.not_running()}

  def apply_change(store, {:create, primary, keys, strength, metadata}) do
    keys = keys |> Enum.uniq() |> List.delete(primary)
    before = entanglement(store, primary)
    entity = new_entity(primary, keys, strength, metadata)
    {links, grown} = link(store, primary, Map.new(keys, &{&1, strength}))

    commit(store, [{:entity, primary, entity} | links], fn summary ->
      %{
        entanglements: summary.entanglements + if(before, do: 0, else: 1),
        relationships: summary.relationships + grown,
        strength: summary.strength + strength - if(before, do: before.strength, else: 0.0),
        collapsed: summary.collapsed - if(collapsed?(before), do: 1, else: 0)
      }
    end)
  end

  def apply_change(store, {:remove, primary, which}) do
    links = read(store, :link, primary, %{})
    gone = if which == :all, do: Map.keys(links), else: which
    gone = Enum.filter(gone, &is_map_key(links, &1))
    {others, removed} = unlink(store, primary, gone)
    kept = Map.drop(links, gone)
    before = if map_size(kept) == 0, do: entanglement(store, primary)
    changes = [{:link, primary, kept} | others]
    changes = if before, do: [{:entity, primary, nil} | changes], else: changes

    commit(store, changes, fn summary ->
      %{
        entanglements: summary.entanglements - if(before, do: 1, else: 0),
        relationships: summary.relationships - removed - length(gone),
        strength: summary.strength - if(before, do: before.strength, else: 0.0),
        collapsed: summary.collapsed - if(collapsed?(before), do: 1, else: 0)
      }
    end)
  end

  def apply_change(store, {:observe, primary}) do
    case entanglement(store, primary) do
      nil ->
        :ok

      entity ->
        new? = not collapsed?(entity)

        entity = %{
          entity
          | quantum_state: :collapsed,
            observation_count: entity.observation_count + 1,
            last_observed: System.system_time(:millisecond)
        }

        commit(store, [{:entity, primary, entity}], fn summary ->
          %{summary | collapsed: summary.collapsed + if(new?, do: 1, else: 0)}
        end)
    end
  end

  def apply_change(store, {:join, group, key, strength}) do
    members = read(store, :group, group, [])

    if key in members do
      :ok
    else
      {links, grown} = link(store, key, Map.new(members, &{&1, strength}))
      members = Enum.take([key | members], @group_members)

      commit(store, [{:group, group, members} | links], fn summary ->
        %{summary | relationships: summary.relationships + grown}
      end)
    end
  end

  defp collapsed?(nil), do: false
  defp collapsed?(entity), do: entity.quantum_state == :collapsed

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

  # Changed links of `key` and of all its new partners, and how many more there are.
  defp link(_store, _key, partners) when map_size(partners) == 0, do: {[], 0}

  defp link(store, key, partners) do
    both = [{key, partners} | Enum.map(partners, fn {other, s} -> {other, %{key => s}} end)]
    max = Config.get(store.config, :max_links)

    Enum.map_reduce(both, 0, fn {from, added}, grown ->
      old = read(store, :link, from, %{})
      new = old |> Map.merge(added) |> strongest(max, added)
      {{:link, from, new}, grown + map_size(new) - map_size(old)}
    end)
  end

  defp unlink(store, key, others) do
    Enum.map_reduce(others, 0, fn other, removed ->
      links = read(store, :link, other, %{})
      removed = removed + if(is_map_key(links, key), do: 1, else: 0)
      {{:link, other, Map.delete(links, key)}, removed}
    end)
  end

  # Of equal strength, what was just added stays.
  defp strongest(links, max, _added) when map_size(links) <= max, do: links

  defp strongest(links, max, added) do
    links
    |> Enum.sort_by(fn {key, strength} -> {-strength, not is_map_key(added, key)} end)
    |> Enum.take(max)
    |> Map.new()
  end

  defp commit(store, changes, summarise) do
    summary = summarise.(summary(store))
    batch = Enum.reduce([{:summary, "", summary} | changes], Batch.new(), &add(&2, &1))
    Native.write(store.db, batch)
  end

  defp add(batch, {kind, key, empty}) when empty in [nil, %{}] do
    Batch.delete(batch, reserved(kind, key))
  end

  defp add(batch, {kind, key, term}) do
    Batch.put(batch, reserved(kind, key), :erlang.term_to_binary(term))
  end

  defp read(store, kind, key, default) do
    case Native.get(store.db, reserved(kind, key)) do
      {:ok, bytes} -> :erlang.binary_to_term(bytes)
      _ -> default
    end
  end

  defp reserved(:summary, _), do: Key.reserved("summary", "")
  defp reserved(kind, key), do: Key.reserved(Atom.to_string(kind), Key.encode(key))
end
