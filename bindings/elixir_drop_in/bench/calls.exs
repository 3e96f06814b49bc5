# What a call costs beside the bare built-ins on the same map, in this run:
#
#     MIX_ENV=prod mix run bench/calls.exs [directory]
#
# The map is the original's user of 10 fields, about 620 bytes. Puts are durable against a kill of
# the emulator. Each figure is the best of many short rounds, in nanoseconds a call; the two that are
# compared take turns.

Code.require_file("support.exs", __DIR__)

defmodule Calls do
  @keys 2_000
  @hot 100
  # So many that none is read often enough to count as hot.
  @cold 20_000
  # Short, so that a busy neighbour leaves some of them alone.
  @count 1_000
  @rounds 600

  def run do
    # Persistent terms are read by every process and copied to none.
    users = for i <- 1..@keys, do: Bench.user(i)
    :persistent_term.put(:users, List.to_tuple(users))
    :persistent_term.put(:keys, List.to_tuple(for i <- 1..@keys, do: "user:#{i}"))
    bytes = Enum.map(users, &:erlang.term_to_binary/1)
    :persistent_term.put(:bytes, List.to_tuple(bytes))
    table = :ets.new(:bench, [:public, read_concurrency: true])
    for {user, i} <- Enum.with_index(users), do: :ets.insert(table, {key(i), user})
    loop(&put/1, @keys)

    IO.puts("#{Bench.machine()}; #{byte_size(hd(bytes))} bytes a value\n")
    Bench.row(["ns a call", "measured", "bare", "rate", "wanted"])
    db = WarpEngine.Store.get().db
    compare("cosmic_put / term_to_binary", 0.7, &put/1, &encode/1)
    compare("  encode and the engine's put", "", &engine_put(db, &1), &encode/1)
    loop(&put/1, @keys)

    users = for i <- 1..@cold, do: Bench.user(i)
    :persistent_term.put(:cold, List.to_tuple(for i <- 1..@cold, do: "cold:#{i}"))
    bytes = Enum.map(users, &:erlang.term_to_binary/1)
    :persistent_term.put(:bytes, List.to_tuple(bytes))
    for {user, i} <- Enum.with_index(users), do: WarpEngine.cosmic_put(cold(i), user)

    while_cold(fn ->
      compare("cosmic_get cold / binary_to_term", 0.8, &get_cold/1, &decode/1)
      compare("  the engine's get and decode", "", &engine_get(db, &1), &decode/1)
    end)

    hot = &get(rem(&1, @hot))
    loop(hot, 200 * @hot)
    compare("cosmic_get hot / ets.lookup", 0.5, hot, &:ets.lookup(table, key(rem(&1, @hot))))
  end

  # Gets of keys that are not hot, with a cache that is there: counts halve each second.
  defp while_cold(fun) do
    store = WarpEngine.Store.get()
    cache = WarpEngine.TermCache.new(1_000_000, 4)
    WarpEngine.Store.publish(%{store | cache: cache, heat: WarpEngine.Temperature.new(1)})
    fun.()
    WarpEngine.Store.publish(store)
  end

  defp compare(label, wanted, fun, bare) do
    {ns, bare} =
      Enum.reduce(1..@rounds, {:infinity, :infinity}, fn _, {a, b} ->
        {min(a, Bench.elapsed(fn -> loop(fun, @count) end)),
         min(b, Bench.elapsed(fn -> loop(bare, @count) end))}
      end)

    ratio = :erlang.float_to_binary(bare / ns, decimals: 2)
    Bench.row([label, Bench.number(ns / @count), Bench.number(bare / @count), ratio, wanted])
  end

  # Each round takes other keys.
  defp loop(fun, n), do: loop(fun, n, :rand.uniform(@cold))

  defp loop(_fun, 0, _from), do: :ok

  defp loop(fun, n, from) do
    fun.(from + n)
    loop(fun, n - 1, from)
  end

  defp key(n), do: elem(:persistent_term.get(:keys), rem(n, @keys))
  defp user(n), do: elem(:persistent_term.get(:users), rem(n, @keys))
  defp cold(n), do: elem(:persistent_term.get(:cold), rem(n, @cold))
  defp bytes(n), do: elem(:persistent_term.get(:bytes), rem(n, @cold))

  defp put(n), do: {:ok, :stored, _, _} = WarpEngine.cosmic_put(key(n), user(n))
  defp get(n), do: {:ok, _, _, _} = WarpEngine.cosmic_get(key(n))
  defp get_cold(n), do: {:ok, _, _, _} = WarpEngine.cosmic_get(cold(n))
  defp encode(n), do: :erlang.term_to_binary(user(n))
  defp decode(n), do: :erlang.binary_to_term(bytes(n))
  defp engine_put(db, n), do: :ok = WarpEngine.Native.put(db, key(n), encode(n))

  defp engine_get(db, n) do
    {:ok, bytes} = WarpEngine.Native.get(db, cold(n))
    :erlang.binary_to_term(bytes)
  end
end

Bench.on_database(List.first(System.argv()), &Calls.run/0)
