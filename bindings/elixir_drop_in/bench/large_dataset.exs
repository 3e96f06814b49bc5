# The large-dataset validation of the original's plan: users, products, orders and metrics with
# their related records, written, linked and read back by several processes, and every feature
# measured on against off.
#
#     MIX_ENV=prod mix run bench/large_dataset.exs [records] [processes] [directory]

Code.require_file("support.exs", __DIR__)

defmodule LargeDataset do
  def run(records, processes) do
    IO.puts("#{Bench.machine()}; #{records} records of each kind, #{processes} processes\n")
    Bench.row(["phase", "records/s", "us each", "MB"])

    phase("users, profiles, settings", records, processes, fn i ->
      put("user:#{i}", Bench.user(i))
      put("profile:#{i}", %{bio: "About user #{i}", links: ["a", "b"], avatar: "avatar_#{i}.png"})
      put("settings:#{i}", %{theme: :dark, language: "en", notifications: true})
    end)

    phase("products", records, processes, fn i ->
      put("product:#{i}", product(i), access_pattern: :warm)
    end)

    phase("orders", records, processes, fn i ->
      put("order:#{i}", order(i, records), priority: :high)
    end)

    phase("metrics", records, processes, fn i ->
      put("metric:#{i}", %{at: i, value: i / 7}, access_pattern: :cold)
    end)

    linked = min(records, 2_000)

    phase("orders linked to users", linked, processes, fn i ->
      {:ok, _} =
        WarpEngine.create_quantum_entanglement("order:#{i}", ["user:#{user_of(i, records)}"],
          strength: 0.9
        )
    end)

    phase("users read back, checked", records, processes, fn i ->
      check("user:#{i}", Bench.user(i))
    end)

    phase("orders read back, checked", records, processes, fn i ->
      check("order:#{i}", order(i, records))
    end)

    phase("users overwritten, checked", records, processes, fn i ->
      overwrite("user:#{i}", %{Bench.user(i) | age: 99})
    end)

    IO.puts("")
    Bench.row(["feature", "on, ns", "off, ns", "gain"])
    group(records)
    cache(records)
    placement(records)
    IO.puts("")
    persistence(records)
  end

  defp phase(label, records, processes, fun) do
    ns =
      Bench.together(processes, fn p ->
        for i <- p..records//processes, do: fun.(i)
      end)

    Bench.row([
      label,
      Bench.rate(records * 1.0e9 / ns),
      Bench.number(ns / records / 1.0e3),
      Bench.resident_mb()
    ])
  end

  defp put(key, value, options \\ []),
    do: {:ok, :stored, _, _} = WarpEngine.cosmic_put(key, value, options)

  defp check(key, value), do: {:ok, ^value, _, _} = WarpEngine.cosmic_get(key)

  defp overwrite(key, value) do
    put(key, value)
    check(key, value)
  end

  defp product(i),
    do: %{
      id: i,
      name: "Product #{i}",
      price: i * 1.5,
      category: "category #{rem(i, 20)}",
      stock: rem(i, 100)
    }

  defp order(i, records) do
    %{
      id: i,
      user: user_of(i, records),
      items: for(n <- 1..3, do: %{product: i + n, count: n}),
      total: i * 4.2
    }
  end

  defp user_of(i, records), do: rem(i * 31, records) + 1

  # The group of a user in one multi-get, against a get of each.
  defp group(records) do
    on =
      each(records, fn i ->
        {:ok, %{quantum_data: %{efficiency: _}}} = WarpEngine.quantum_get("user:#{i}")
      end)

    off =
      each(records, fn i ->
        for kind <- ~w(user profile settings sessions), do: WarpEngine.cosmic_get("#{kind}:#{i}")
      end)

    compare("group of 4: quantum_get", on, off)
  end

  defp cache(records) do
    hot = min(records, 200)
    get = fn i -> {:ok, _, _, _} = WarpEngine.cosmic_get("user:#{rem(i, hot) + 1}") end
    for _ <- 1..50, do: each(hot, get)
    on = each(records, get)
    store = WarpEngine.Store.get()
    WarpEngine.Store.publish(%{store | cache: nil})
    off = each(records, get)
    WarpEngine.Store.publish(store)
    compare("decoded-term cache, 200 hot", on, off)
  end

  # What is reported is what was asked for: nothing is faster or slower for it.
  defp placement(records) do
    shards = for i <- 1..records, do: elem(WarpEngine.cosmic_get("metric:#{i}"), 2)
    cold = Enum.count(shards, &(&1 == :cold_data))
    Bench.row(["metrics reported cold", "#{cold}", "of #{records}", ""])
  end

  defp persistence(records) do
    start = System.monotonic_time(:millisecond)
    {:ok, :restarted} = WarpEngine.Application.restart_universe()
    took = System.monotonic_time(:millisecond) - start

    lost =
      Enum.count(
        1..records,
        &(not match?({:ok, %{age: 99}, _, _}, WarpEngine.cosmic_get("user:#{&1}")))
      )

    load = WarpEngine.analyze_load_distribution()
    entropy = :erlang.float_to_binary(load.balance, decimals: 4)

    IO.puts(
      "closed and opened in #{took} ms; #{load.total_items} keys, #{lost} of #{records} users lost"
    )

    IO.puts("evenness of the shards: #{entropy} (1 is even)")
    if lost > 0, do: exit({:lost, lost})
  end

  defp each(records, fun), do: Bench.elapsed(fn -> for i <- 1..records, do: fun.(i) end) / records

  defp compare(label, on, off) do
    Bench.row([
      label,
      Bench.number(on),
      Bench.number(off),
      :erlang.float_to_binary(off / on, decimals: 2) <> " x"
    ])
  end
end

{records, processes, dir} =
  case System.argv() do
    [] -> {50_000, 8, nil}
    [records] -> {String.to_integer(records), 8, nil}
    [records, processes] -> {String.to_integer(records), String.to_integer(processes), nil}
    [records, processes, dir] -> {String.to_integer(records), String.to_integer(processes), dir}
  end

Bench.on_database(dir, fn -> LargeDataset.run(records, processes) end)
