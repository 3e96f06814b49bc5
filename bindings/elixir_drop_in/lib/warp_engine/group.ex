defmodule WarpEngine.Group do
  @moduledoc """
  A key and its partners, as the engine has them, in one multi-get.

  Not `WarpEngine.Native.Links.get_linked/2`, which leaves out the partners that do not exist: the
  original's answer names them.
  """

  alias WarpEngine.{Associations, Key, Native, Record, Store, Temperature}

  @type item :: {:ok, term, Temperature.shard()} | {:error, :not_found | Native.Error.t()}

  @doc """
  The value of `key`, its shard, its partners by key, and the time in microseconds.

      iex> WarpEngine.Group.get("group: no such key", 10, 0.0)
      {:error, :not_found}
  """
  @spec get(term, non_neg_integer, number) ::
          {:ok, term, Temperature.shard(), %{term => item}, pos_integer}
          | {:error, :not_found | Native.Error.t()}
  def get(key, max, min_strength) do
    start = :os.perf_counter()

    with %Store{} = store <- Store.get(),
         ekey = Key.encode(key),
         partners = partners(store, ekey, max, min_strength),
         {:ok, [bytes | others]} when bytes != nil <-
           Native.multi_get(store.db, [ekey | partners]),
         {:ok, value, shard} <- item(store, ekey, bytes, start) do
      items =
        partners
        |> Enum.zip(others)
        |> Map.new(fn {partner, bytes} ->
          {Key.decode(partner), item(store, partner, bytes, start)}
        end)

      {:ok, value, shard, items, Store.elapsed(start)}
    else
      nil -> {:error, Store.not_running()}
      {:ok, [nil | _]} -> {:error, :not_found}
      {:error, error} -> {:error, error}
    end
  end

  @doc """
  Share of the partners that were found; 1.0 of none.

      iex> WarpEngine.Group.efficiency(%{"a" => {:ok, 1, :warm_data}, "b" => {:error, :not_found}})
      0.5
      iex> WarpEngine.Group.efficiency(%{})
      1.0
  """
  @spec efficiency(%{term => item}) :: float
  def efficiency(items) when map_size(items) == 0, do: 1.0

  def efficiency(items) do
    Enum.count(items, fn {_, item} -> elem(item, 0) == :ok end) / map_size(items)
  end

  defp partners(store, ekey, max, min_strength) do
    partners = Associations.linked(store, ekey)
    strong = for {partner, strength} <- partners, strength >= min_strength, do: partner
    Enum.take(strong, max)
  end

  defp item(_store, _key, nil, _now), do: {:error, :not_found}

  defp item(store, key, bytes, now) do
    case Record.decode(bytes) do
      {:ok, stamp, value, _} -> {:ok, value, shard(store, key, stamp, now)}
      :error -> {:error, Store.invalid(key)}
    end
  end

  @doc false
  @spec shard(Store.t(), binary, Record.stamp(), integer) :: Temperature.shard()
  def shard(store, key, stamp, now) do
    hash = Temperature.hash(key)
    if Temperature.sampled?(now), do: Temperature.touch(store.heat, hash, now)

    store.heat
    |> Temperature.at_get(hash, now, Record.class(stamp), Record.tick(stamp))
    |> Temperature.shard()
  end
end
