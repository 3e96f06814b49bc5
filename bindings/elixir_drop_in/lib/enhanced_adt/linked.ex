defmodule EnhancedADT.Linked do
  @moduledoc """
  A recursive structure as linked records: each node a record of its own, loaded when it is wanted.

  The record of the root lies under the structure's key, with `EnhancedADT.Ref` in its recursive
  fields; the other nodes lie under reserved keys. All of them are written in one batch of the
  engine, together with the deletes of the structure that was there before: after a crash there is
  the new structure or the old one. The engine takes batches of up to 64 MiB.

      {:ok, :stored, _, _} = Linked.put("tree", tree)
      {:ok, root, _, _} = WarpEngine.cosmic_get("tree")
      EnhancedADT.load(root.left)                 # that node, and no other

  A structure is replaced by `put/3` and deleted by `delete/1`; a plain put or delete of its key
  leaves its nodes behind. One process at a time replaces a structure. A reference that was read
  before raises `EnhancedADT.Ref.StaleError` when it is loaded afterwards.
  """

  import Bitwise
  alias EnhancedADT.{Ref, Structure}
  alias WarpEngine.{Key, Native, Record, Store, Temperature}
  alias WarpEngine.Native.Batch

  @doc """
  Stores a structure; options and answer are those of `WarpEngine.cosmic_put/3`.

      iex> {:ok, :stored, :cold_data, _} = EnhancedADT.Linked.put("linked", %{no: :children}, access_pattern: :cold)
      iex> {:ok, %{no: :children}, :cold_data, _} = WarpEngine.cosmic_get("linked")
  """
  @spec put(term, term, keyword) ::
          {:ok, :stored, WarpEngine.shard(), pos_integer} | WarpEngine.error()
  def put(key, structure, options \\ []) do
    start = :os.perf_counter()

    with %Store{} = store <- Store.get() do
      ekey = Key.encode(key)
      hint = Temperature.hint(options)
      class = Temperature.at_put(hint)
      stamp = Record.stamp(class, Temperature.tick(store.heat, start))
      generation = :rand.uniform(1 <<< 48)
      {root, {count, batch}} = nodes(structure, key, generation, stamp)
      metadata = Map.put(options[:custom_metadata] || %{}, :linked, {generation, count})

      batch =
        store
        |> deletes(key, ekey, batch)
        |> Batch.put(ekey, Record.encode(stamp, root, metadata))

      with :ok <- Native.write(store.db, batch) do
        {:ok, :stored, Temperature.shard(class), Store.elapsed(start)}
      end
    else
      nil -> {:error, Store.not_running()}
    end
  end

  @doc """
  Deletes a structure with all its nodes.

      iex> EnhancedADT.Linked.put("linked, deleted", %{})
      iex> EnhancedADT.Linked.delete("linked, deleted")
      :ok
      iex> {:error, :not_found, _} = WarpEngine.cosmic_get("linked, deleted")
  """
  @spec delete(term) :: :ok | WarpEngine.error()
  def delete(key) do
    with %Store{} = store <- Store.get() do
      ekey = Key.encode(key)
      Native.write(store.db, store |> deletes(key, ekey, Batch.new()) |> Batch.delete(ekey))
    else
      nil -> {:error, Store.not_running()}
    end
  end

  @doc """
  The node of a reference.

      iex> EnhancedADT.Linked.load(%EnhancedADT.Ref{root: "never stored", generation: 1, node: 1})
      ** (EnhancedADT.Ref.StaleError) the structure "never stored" was replaced or deleted after this reference was read
  """
  @spec load(Ref.t()) :: term
  def load(%Ref{} = ref) do
    with %Store{} = store <- Store.get(),
         {:ok, bytes} <- Native.get(store.db, node_key(ref.root, ref.generation, ref.node)),
         {:ok, _, node, _} <- Record.decode(bytes) do
      node
    else
      nil -> raise Store.not_running()
      {:error, error} -> raise error
      _ -> raise Ref.StaleError, ref: ref
    end
  end

  # The root with references, the number of its other nodes, and a batch of them. A reference that
  # is in the structure already is loaded: it may belong to what is being replaced.
  defp nodes(structure, key, generation, stamp) do
    Structure.map_reduce_children(structure, {0, Batch.new()}, fn child, acc ->
      store_node(child, acc, key, generation, stamp)
    end)
  end

  defp store_node(child, acc, key, generation, stamp) do
    {node, {count, batch}} =
      child
      |> EnhancedADT.load()
      |> Structure.map_reduce_children(acc, &store_node(&1, &2, key, generation, stamp))

    count = count + 1
    batch = Batch.put(batch, node_key(key, generation, count), Record.encode(stamp, node))
    {%Ref{root: key, generation: generation, node: count}, {count, batch}}
  end

  defp deletes(store, key, ekey, batch) do
    with {:ok, bytes} <- Native.get(store.db, ekey),
         {:ok, _, _, %{linked: {generation, count}}} when count > 0 <- Record.decode(bytes) do
      Enum.reduce(1..count, batch, &Batch.delete(&2, node_key(key, generation, &1)))
    else
      _ -> batch
    end
  end

  defp node_key(key, generation, node) do
    Key.reserved("node", Key.encode({key, generation, node}))
  end
end
