defmodule EnhancedADT.WarpEngineIntegration.Translators do
  @moduledoc """
  Algebraic values in the database: a put with what their annotations say, and gets that check the
  type.

  A value comes back as the struct that it was. With `linked: true` a recursive structure is stored
  as linked records (`EnhancedADT.Linked`). The annotations stand in `EnhancedADT.Annotation`;
  options that are given go before them.
  """

  alias EnhancedADT.{Annotation, Linked, Node}
  alias WarpEngine.{Associations, Key, Native, Record, Store, Temperature}
  alias WarpEngine.Native.Batch

  @type answer :: {:ok, :stored, WarpEngine.shard(), pos_integer} | WarpEngine.error()

  @doc """
  Puts an algebraic value. Options are `linked: true` and those of `WarpEngine.cosmic_put/3`.

      iex> alias EnhancedADT.WarpEngineIntegration.Translators
      iex> {:ok, :stored, _, _} = Translators.cosmic_put_from_adt("any:1", %{any: :value})
      iex> {:ok, %{any: :value}, _, _} = WarpEngine.cosmic_get("any:1")
  """
  @spec cosmic_put_from_adt(term, term, keyword) :: answer
  def cosmic_put_from_adt(key, value, options \\ []) do
    {linked?, options} = Keyword.pop(options, :linked, false)
    context = Annotation.of(value)
    options = context |> Annotation.put_options() |> Keyword.merge(options)
    put = if linked?, do: &Linked.put/3, else: &WarpEngine.cosmic_put/3

    with {:ok, _, _, _} = stored <- put.(key, value, options),
         :ok <- join(key, value, context) do
      stored
    end
  end

  defp join(key, %module{}, context) do
    case Annotation.group(context) do
      {group, strength} -> Associations.join({module, group}, key, strength)
      nil -> :ok
    end
  end

  defp join(_key, _value, _context), do: :ok

  @doc """
  Gets a value of a type: the module of a product, of a sum or of a variant. A value of another type
  is an error.

      iex> alias EnhancedADT.WarpEngineIntegration.Translators
      iex> WarpEngine.cosmic_put("any:2", 2)
      iex> {:error, {:not_a, URI}, _} = Translators.cosmic_get_for_adt("any:2", URI)

    * `load: true` loads the whole of a linked structure.
  """
  @spec cosmic_get_for_adt(term, module, keyword) ::
          {:ok, struct, WarpEngine.shard(), pos_integer}
          | {:error, :not_found | {:not_a, module} | Native.Error.t(), pos_integer}
  def cosmic_get_for_adt(key, type, options \\ []) do
    with {:ok, value, shard, time} <- WarpEngine.cosmic_get(key) do
      cond do
        not of_type?(value, type) -> {:error, {:not_a, type}, time}
        options[:load] -> {:ok, EnhancedADT.load_all(value), shard, time}
        true -> {:ok, value, shard, time}
      end
    end
  end

  defp of_type?(%type{}, type), do: true
  defp of_type?(%module{}, type), do: Node.node?(module) and module.__adt__(:of) == type
  defp of_type?(_value, _type), do: false

  @doc """
  Puts many, `[{key, value}]`, in one batch of the engine: all of them or none. Answers one for each;
  links of their groups are made afterwards.

      iex> alias EnhancedADT.WarpEngineIntegration.Translators
      iex> [{:ok, :stored, _, _}, {:ok, :stored, _, _}] = Translators.batch_operations_from_adt([{"b:1", 1}, {"b:2", 2}])
      iex> {:ok, 2, _, _} = WarpEngine.cosmic_get("b:2")
  """
  @spec batch_operations_from_adt([{term, term}], keyword) :: [answer]
  def batch_operations_from_adt(pairs, options \\ []) do
    start = :os.perf_counter()

    case Store.get() do
      nil -> Enum.map(pairs, fn _ -> {:error, Store.not_running()} end)
      store -> write(store, pairs, options, start)
    end
  end

  defp write(store, pairs, options, start) do
    {shards, batch} =
      Enum.map_reduce(pairs, Batch.new(), fn {key, value}, batch ->
        options = value |> Annotation.of() |> Annotation.put_options() |> Keyword.merge(options)
        ekey = Key.encode(key)
        hint = Temperature.hint(options)
        class = Temperature.at_put(hint)
        stamp = Record.stamp(class, Temperature.tick(store.heat, start))
        bytes = Record.encode(stamp, value, options[:custom_metadata])
        {Temperature.shard(class), Batch.put(batch, ekey, bytes)}
      end)

    case Native.write(store.db, batch) do
      :ok ->
        for {key, value} <- pairs, do: join(key, value, Annotation.of(value))
        time = Store.elapsed(start)
        Enum.map(shards, &{:ok, :stored, &1, time})

      error ->
        Enum.map(pairs, fn _ -> error end)
    end
  end
end
