defmodule WarpEngine.ValueTest do
  # Values: any term, what the answers say, and that nothing that was read is stale.
  use ExUnit.Case
  import WarpEngine.Support
  alias WarpEngine.{Native, Store}

  @terms [
    :atom,
    "",
    "text",
    <<0>>,
    <<131>>,
    <<1::5>>,
    0,
    -1,
    2 ** 200,
    1.0,
    [],
    [1 | 2],
    ~c"charlist",
    {},
    {:a, {:b, "c"}},
    %{},
    %{1 => %{"x" => [nil]}},
    ~U[2024-01-01 00:00:00Z],
    MapSet.new(1..50)
  ]

  test "any term is a key and a value" do
    for key <- @terms, value <- @terms do
      assert {:ok, :stored, _, time} = WarpEngine.cosmic_put(key, value)
      assert is_integer(time) and time > 0
      assert {:ok, ^value, _, time} = WarpEngine.cosmic_get(key)
      assert is_integer(time) and time > 0
    end

    for key <- @terms do
      assert {:ok, [hot_data: _, warm_data: _, cold_data: _] = list, _} =
               WarpEngine.cosmic_delete(key)

      assert Enum.count(list, &match?({_, :deleted}, &1)) == 1
      assert {:error, :not_found, time} = WarpEngine.cosmic_get(key)
      assert time > 0
    end
  end

  test "a large map is one key, whatever the order it was made in" do
    pairs = for i <- 1..1_000, do: {"key #{i}", i}
    WarpEngine.cosmic_put(Map.new(pairs), 1)
    assert {:ok, 1, _, _} = WarpEngine.cosmic_get(Map.new(Enum.shuffle(pairs)))
  end

  test "keys and values beyond the engine's key length and beyond a page" do
    for key <- [:binary.copy("k", 65_535), :binary.copy("k", 65_536), Enum.to_list(1..50_000)] do
      value = :rand.bytes(300_000)
      assert {:ok, :stored, _, _} = WarpEngine.cosmic_put(key, value)
      assert {:ok, ^value, _, _} = WarpEngine.cosmic_get(key)
    end
  end

  test "what the original dropped is stored: values larger than 100" do
    for value <- [:binary.copy("x", 101), Enum.to_list(1..101), Map.new(1..101, &{&1, &1})],
        _ <- 1..1_100 do
      assert {:ok, :stored, _, _} = WarpEngine.cosmic_put("large", value)
      assert {:ok, ^value, _, _} = WarpEngine.cosmic_get("large")
    end
  end

  test "hints are what put and get report" do
    for {options, shard} <- [
          {[access_pattern: :hot], :hot_data},
          {[access_pattern: :warm], :warm_data},
          {[access_pattern: :cold], :cold_data},
          {[access_pattern: :balanced, priority: :critical], :hot_data},
          {[access_pattern: :balanced, priority: :normal], :warm_data},
          {[access_pattern: :balanced, priority: :background], :cold_data},
          {[access_pattern: :balanced], :warm_data},
          {[access_pattern: :cold, gravitational_routing: false], :warm_data},
          {[unknown: 1], :warm_data}
        ] do
      key = fresh("hint")
      assert {:ok, :stored, ^shard, _} = WarpEngine.cosmic_put(key, 1, options)
      assert {:ok, 1, ^shard, _} = WarpEngine.cosmic_get(key)
      assert {:ok, list, _} = WarpEngine.cosmic_delete(key)
      assert {shard, :deleted} in list
    end

    assert_raise FunctionClauseError, fn ->
      WarpEngine.cosmic_put("key", 1, %{priority: :high})
    end
  end

  test "a cold key that is read often gets hot, and only that one" do
    [busy, idle] = [fresh("busy"), fresh("idle")]
    for key <- [busy, idle], do: WarpEngine.cosmic_put(key, 1, access_pattern: :cold)
    for _ <- 1..2_000, do: WarpEngine.cosmic_get(busy)
    assert {:ok, 1, :hot_data, _} = WarpEngine.cosmic_get(busy)
    assert {:ok, 1, :cold_data, _} = WarpEngine.cosmic_get(idle)
    # A put says what it was told, and the key stays as hot as it is.
    assert {:ok, :stored, :cold_data, _} = WarpEngine.cosmic_put(busy, 2, access_pattern: :cold)
    assert {:ok, 2, :hot_data, _} = WarpEngine.cosmic_get(busy)
  end

  test "metadata is kept with the value and goes with it" do
    WarpEngine.cosmic_put("meta", 1, custom_metadata: %{by: "import"})
    assert WarpEngine.cosmic_metadata("meta") == {:ok, %{by: "import"}}
    assert {:ok, 1, _, _} = WarpEngine.cosmic_get("meta")
    WarpEngine.cosmic_put("meta", 2)
    assert WarpEngine.cosmic_metadata("meta") == {:ok, %{}}
    WarpEngine.cosmic_delete("meta")
    assert WarpEngine.cosmic_metadata("meta") == {:error, :not_found}
  end

  test "what another program has written under a key is an error, and no crash" do
    Native.put!(Store.get().db, "foreign", "raw bytes")
    assert {:error, %Native.Error{reason: :invalid_term}, _} = WarpEngine.cosmic_get("foreign")
    assert {:error, %Native.Error{reason: :invalid_term}} = WarpEngine.quantum_get("foreign")
    assert {:ok, _, _} = WarpEngine.cosmic_delete("foreign")
  end

  describe "no stale value" do
    test "after an overwrite or a delete, by whatever way" do
      keys = for i <- 1..500, do: "stale:#{i}"
      value = fn i -> %{number: i, text: :binary.copy("x", 300)} end
      for key <- keys, do: WarpEngine.cosmic_put(key, value.(1))
      # Often enough for all of them to be kept decoded.
      for _ <- 1..100, key <- keys, do: WarpEngine.cosmic_get(key)
      assert WarpEngine.TermCache.info(Store.get().cache).items >= 400

      for key <- keys, do: WarpEngine.cosmic_put(key, value.(2))
      for key <- keys, do: assert({:ok, %{number: 2}, _, _} = WarpEngine.cosmic_get(key))

      # Past the drop-in, as another language would.
      bytes = WarpEngine.Record.encode(WarpEngine.Record.stamp(1, 1), value.(3))
      for key <- keys, do: Native.put!(Store.get().db, key, bytes)
      for key <- keys, do: assert({:ok, %{number: 3}, _, _} = WarpEngine.cosmic_get(key))

      for key <- keys, do: WarpEngine.cosmic_delete(key)
      for key <- keys, do: assert({:error, :not_found, _} = WarpEngine.cosmic_get(key))
    end

    test "while others write: a number that only grows is never seen to shrink" do
      key = fresh("counter")
      value = fn i -> %{number: i, text: :binary.copy("x", 300)} end
      WarpEngine.cosmic_put(key, value.(0))
      writer = Task.async(fn -> for i <- 1..20_000, do: WarpEngine.cosmic_put(key, value.(i)) end)
      readers = for _ <- 1..4, do: Task.async(fn -> grows(key, -1, 20_000) end)
      assert Enum.all?(Task.await_many([writer | readers], 60_000))
    end
  end

  defp grows(_key, _last, 0), do: true

  defp grows(key, last, n) do
    {:ok, %{number: number}, _, _} = WarpEngine.cosmic_get(key)
    number >= last and grows(key, number, n - 1)
  end

  test "the cache keeps below its bound" do
    with_config([term_cache_bytes: 200_000, cache_sample_rate_get: 1], fn ->
      value = %{text: :binary.copy("x", 500)}

      for i <- 1..2_000 do
        WarpEngine.cosmic_put("bound:#{i}", value)
        WarpEngine.cosmic_get("bound:#{i}")
        assert WarpEngine.TermCache.info(Store.get().cache).bytes <= 202_000
      end

      assert WarpEngine.TermCache.info(Store.get().cache).items > 20
    end)
  end

  test "without a cache, and with one that is filled by puts" do
    with_config([disable_phase4: true], fn ->
      assert Store.get().cache == nil
      WarpEngine.cosmic_put("no cache", 1)
      assert {:ok, 1, _, _} = WarpEngine.cosmic_get("no cache")
      assert WarpEngine.cosmic_metrics().event_horizon_cache.total_caches == 0
    end)

    with_config([cache_write_through_on_put: true, cache_sample_rate_put: 1], fn ->
      WarpEngine.cosmic_put("through", %{text: :binary.copy("x", 500)})
      assert WarpEngine.TermCache.info(Store.get().cache).items == 1
    end)
  end

  # About memory, not speed: 8 processes take 4 seconds of processor time here, which on a machine that
  # has other work to do are many more by the clock. A task that is cut short says nothing of memory.
  @tag timeout: 600_000
  test "mailboxes stay empty and memory flat" do
    keys = for i <- 1..200, do: "flat:#{i}"
    value = %{text: :binary.copy("x", 300), list: Enum.to_list(1..20)}
    busy(keys, value, 20)
    before = memory()
    busy(keys, value, 200)
    # What one scheduler frees for another is freed a moment later.
    assert eventually(fn -> memory() - before < 20_000_000 end)

    for pid <- [Process.whereis(WarpEngine), Process.whereis(WarpEngine.Supervisor)] do
      assert Process.info(pid, :message_queue_len) == {:message_queue_len, 0}
    end
  end

  defp busy(keys, value, rounds) do
    tasks =
      for _ <- 1..8 do
        Task.async(fn ->
          for _ <- 1..rounds, key <- keys do
            WarpEngine.cosmic_put(key, value)
            WarpEngine.cosmic_get(key)
          end
        end)
      end

    Task.await_many(tasks, :infinity)
  end

  defp memory do
    for pid <- Process.list(), do: :erlang.garbage_collect(pid)
    :erlang.memory(:total)
  end
end
