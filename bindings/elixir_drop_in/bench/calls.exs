# What a call costs beside the bare built-ins on the same map, in this run:
#
#     MIX_ENV=prod mix run bench/calls.exs [directory]
#
# The map is the original's user of 10 fields, 626 bytes. Puts are durable against a kill of the
# emulator. Each figure is the best of several rounds, in nanoseconds a call.

Code.require_file("support.exs", __DIR__)

defmodule Calls do
  @keys 2_000
  @hot 100
  @count 2_000
  @rounds 500

  def run do
    users = List.to_tuple(for i <- 1..@keys, do: Bench.user(i))
    keys = List.to_tuple(for i <- 1..@keys, do: "user:#{i}")
    bytes = users |> Tuple.to_list() |> Enum.map(&:erlang.term_to_binary/1) |> List.to_tuple()
    IO.puts("#{Bench.machine()}; #{byte_size(elem(bytes, 0))} bytes a value\n")
    Bench.row(["ns a call", "measured", "bare", "rate", "wanted"])

    table = :ets.new(:bench, [:public, read_concurrency: true])
    for i <- 0..(@keys - 1), do: :ets.insert(table, {elem(keys, i), elem(users, i)})
    :ok = put(keys, users, @keys)

    compare("cosmic_put / term_to_binary", 0.7, &put(keys, users, &1), &encode(users, &1, nil))

    compare(
      "  of it: put of the bytes",
      "-",
      &put_bytes(keys, bytes, &1),
      &encode(users, &1, nil)
    )

    without_cache(fn ->
      compare(
        "cosmic_get cold / binary_to_term",
        0.8,
        &get(keys, @keys, &1),
        &decode(bytes, &1, nil)
      )
    end)

    :ok = get(keys, @hot, 100 * @hot)

    compare(
      "cosmic_get hot / ets.lookup",
      0.5,
      &get(keys, @hot, &1),
      &lookup(table, keys, @hot, &1)
    )
  end

  # A get of a key that is not in the cache, with a cache that is there.
  defp without_cache(fun) do
    store = WarpEngine.Store.get()
    cache = WarpEngine.TermCache.new(1_000_000, 1_000_000_007)
    WarpEngine.Store.publish(%{store | cache: cache})
    fun.()
    WarpEngine.Store.publish(store)
  end

  # The two in turn, so that a busy neighbour meets both.
  defp compare(label, wanted, fun, bare) do
    {ns, bare} =
      Enum.reduce(1..@rounds, {:infinity, :infinity}, fn _, {a, b} ->
        {min(a, Bench.elapsed(fn -> fun.(@count) end)),
         min(b, Bench.elapsed(fn -> bare.(@count) end))}
      end)

    ratio = :erlang.float_to_binary(bare / ns, decimals: 2)
    Bench.row([label, Bench.number(ns / @count), Bench.number(bare / @count), ratio, wanted])
  end

  defp encode(_users, 0, last), do: last

  defp encode(users, n, _),
    do: encode(users, n - 1, :erlang.term_to_binary(elem(users, rem(n, @keys))))

  defp decode(_bytes, 0, last), do: last

  defp decode(bytes, n, _),
    do: decode(bytes, n - 1, :erlang.binary_to_term(elem(bytes, rem(n, @keys))))

  defp put(_keys, _users, 0), do: :ok

  defp put(keys, users, n) do
    {:ok, :stored, _, _} =
      WarpEngine.cosmic_put(elem(keys, rem(n, @keys)), elem(users, rem(n, @keys)))

    put(keys, users, n - 1)
  end

  defp put_bytes(keys, bytes, n), do: put_bytes(WarpEngine.Store.get().db, keys, bytes, n)
  defp put_bytes(_db, _keys, _bytes, 0), do: :ok

  defp put_bytes(db, keys, bytes, n) do
    :ok = WarpEngine.Native.put(db, elem(keys, rem(n, @keys)), elem(bytes, rem(n, @keys)))
    put_bytes(db, keys, bytes, n - 1)
  end

  defp get_bytes(keys, n), do: get_bytes(WarpEngine.Store.get().db, keys, n)
  defp get_bytes(_db, _keys, 0), do: :ok

  defp get_bytes(db, keys, n) do
    {:ok, _} = WarpEngine.Native.get(db, elem(keys, rem(n, @keys)))
    get_bytes(db, keys, n - 1)
  end

  defp get(_keys, _of, 0), do: :ok

  defp get(keys, of, n) do
    {:ok, _, _, _} = WarpEngine.cosmic_get(elem(keys, rem(n, of)))
    get(keys, of, n - 1)
  end

  defp lookup(_table, _keys, _of, 0), do: :ok

  defp lookup(table, keys, of, n) do
    [_] = :ets.lookup(table, elem(keys, rem(n, of)))
    lookup(table, keys, of, n - 1)
  end
end

Bench.on_database(List.first(System.argv()), &Calls.run/0)
