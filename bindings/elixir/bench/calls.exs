# What a call costs, beside the same call made in a loop in C, in this run, on this handle:
#
#     MIX_ENV=prod mix run bench/calls.exs [directory]
#
# Without a directory the database is in memory. Keys are 16 bytes, 1,000 of them; each figure is
# the best of several rounds, in nanoseconds. Then gets a second by several processes at once,
# beside :ets.lookup of the same data. Keys and rounds are the same on both sides; the C loop
# copies each value into one buffer, the Elixir one makes a term of it.

defmodule Bench do
  alias WarpEngine.Native
  alias WarpEngine.Native.{Batch, Nif}

  @keys 1_000
  @batch_ops 1_000
  @rounds 7
  @sizes [{"16 B", 16}, {"100 B", 100}, {"1 KiB", 1_024}, {"64 KiB", 65_536}]

  @pinned [{"128 KiB", 131_072}, {"1 MiB", 1_048_576}]

  def run(path) do
    IO.puts(
      "engine #{Native.version()}, OTP #{System.otp_release()}, Elixir #{System.version()}, " <>
        "#{System.schedulers_online()} schedulers, #{inspect(path)}\n"
    )

    db = Native.open!(path, durability: :process)
    keys = keys()
    IO.puts(row(["ns a call", "Elixir", "C", "factor"]))
    for {label, size} <- @sizes, do: calls(db, keys, label, size)
    for {label, size} <- @pinned, do: pinned(db, keys, label, size)
    IO.puts("")
    parallel(db, keys)
    Native.close(db)
  end

  defp keys do
    List.to_tuple(for i <- 0..(@keys - 1), do: "key:" <> String.pad_leading("#{i}", 12, "0"))
  end

  defp calls(db, keys, label, size) do
    value = :rand.bytes(size)
    count = if size > 10_000, do: 20_000, else: 200_000
    batches = max(div(count, @batch_ops), 100)
    operations = for i <- 0..(@batch_ops - 1), do: {:put, elem(keys, i), value}

    compare(db, "put", label, :put, count, size, fn n -> put(db, keys, value, n) end)
    compare(db, "get", label, :get, count, size, fn n -> get(db, keys, n) end)

    if size <= 1_024 do
      label = "#{label} x #{@batch_ops}"
      compare(db, "batch", label, :batch, batches, size, fn n -> batch(db, operations, n) end)
      packed = Batch.to_binary(Batch.new(operations))

      compare(db, "batch, packed", label, :batch, batches, size, fn n -> packed(db, packed, n) end)
    end
  end

  # What `zero_copy: true` is for: 20 keys of a value larger than any inline copy.
  defp pinned(db, keys, label, size) do
    value = :rand.bytes(size)
    some = keys |> Tuple.to_list() |> Enum.take(20)
    for key <- some, do: Native.put!(db, key, value)
    copied = best(2_000, fn -> elapsed(fn -> large(db, some, [], 100) end) end)
    pinned = best(2_000, fn -> elapsed(fn -> large(db, some, [zero_copy: true], 100) end) end)
    IO.puts(row(["get #{label}", number(copied)]))
    IO.puts(row(["get #{label}, zero_copy", number(pinned)]))
  end

  defp large(_db, _keys, _options, 0), do: :ok

  defp large(db, keys, options, n) do
    for key <- keys, do: {:ok, _} = Native.get(db, key, options)
    large(db, keys, options, n - 1)
  end

  defp compare(db, what, label, c_what, count, size, loop) do
    elixir = best(count, fn -> elapsed(fn -> loop.(count) end) end)

    c =
      best(count, fn ->
        {:ok, ns} = Nif.bench(db.ref, c_what, count, size)
        ns
      end)

    IO.puts(row(["#{what} #{label}", number(elixir), number(c), Float.round(elixir / c, 2)]))
  end

  defp best(count, measure), do: Enum.min(for _ <- 1..@rounds, do: measure.()) / count

  defp elapsed(fun) do
    # In a process of its own: its heap is as small as that of a process that serves a request.
    task =
      Task.async(fn ->
        start = System.monotonic_time(:nanosecond)
        fun.()
        System.monotonic_time(:nanosecond) - start
      end)

    Task.await(task, :infinity)
  end

  defp put(_db, _keys, _value, 0), do: :ok

  defp put(db, keys, value, n) do
    :ok = Native.put(db, elem(keys, rem(n, @keys)), value)
    put(db, keys, value, n - 1)
  end

  defp get(_db, _keys, 0), do: :ok

  defp get(db, keys, n) do
    {:ok, _} = Native.get(db, elem(keys, rem(n, @keys)))
    get(db, keys, n - 1)
  end

  defp batch(_db, _operations, 0), do: :ok

  defp batch(db, operations, n) do
    :ok = Native.write(db, operations)
    batch(db, operations, n - 1)
  end

  defp packed(_db, _packed, 0), do: :ok

  defp packed(db, packed, n) do
    :ok = Nif.write(db.ref, packed, @batch_ops)
    packed(db, packed, n - 1)
  end

  defp lookup(_table, _keys, 0), do: :ok

  defp lookup(table, keys, n) do
    [{_, _}] = :ets.lookup(table, elem(keys, rem(n, @keys)))
    lookup(table, keys, n - 1)
  end

  defp parallel(db, keys) do
    IO.puts(row(["million gets/s, 100 B", "get", "ets", "get/ets"]))
    table = :ets.new(:bench, [:public, read_concurrency: true])

    for i <- 0..(@keys - 1) do
      value = :rand.bytes(100)
      Native.put!(db, elem(keys, i), value)
      :ets.insert(table, {elem(keys, i), value})
    end

    for processes <- [1, 2, 4, 8] do
      gets = rate(processes, fn n -> get(db, keys, n) end)
      lookups = rate(processes, fn n -> lookup(table, keys, n) end)
      label = "#{processes} process#{if processes > 1, do: "es"}"
      IO.puts(row([label, million(gets), million(lookups), Float.round(gets / lookups, 2)]))
    end
  end

  # Calls a second of all processes together.
  defp rate(processes, loop) do
    count = div(800_000, processes)

    ns =
      for _ <- 1..@rounds do
        start = System.monotonic_time(:nanosecond)
        tasks = for _ <- 1..processes, do: Task.async(fn -> loop.(count) end)
        Task.await_many(tasks, :infinity)
        System.monotonic_time(:nanosecond) - start
      end

    count * processes * 1.0e9 / Enum.min(ns)
  end

  defp number(ns), do: :erlang.float_to_binary(ns, decimals: if(ns < 100, do: 1, else: 0))
  defp million(rate), do: :erlang.float_to_binary(rate / 1.0e6, decimals: 2)

  defp row([label | cells]) do
    Enum.join([String.pad_trailing(label, 26) | Enum.map(cells, &String.pad_leading("#{&1}", 10))])
  end
end

Bench.run(Enum.at(System.argv(), 0, :memory))
