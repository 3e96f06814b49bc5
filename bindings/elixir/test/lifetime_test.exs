defmodule WarpEngine.Native.LifetimeTest do
  # What lives longer than what it came from, in every order, while others use it.
  use ExUnit.Case
  import WarpEngine.Native.Support
  alias WarpEngine.Native
  alias WarpEngine.Native.{Error, Links, Monitor, Nif, Placement}

  @large 100_000

  test "closing twice is fine, and closes once" do
    db = Native.open!(:memory)
    assert Native.close(db) == :ok
    assert Native.close(db) == :ok
    closers = for _ <- 1..20, do: Task.async(fn -> Native.close(db) end)
    assert Enum.all?(Task.await_many(closers), &(&1 == :ok))
  end

  test "every call on a closed handle answers closed" do
    db = Native.open!(:memory)
    Native.close(db)

    for answer <- [
          Native.get(db, "k"),
          Native.get(db, "k", zero_copy: true),
          Native.multi_get(db, ["k"]),
          Native.multi_get(db, List.duplicate("k", 100)),
          Native.put(db, "k", "v"),
          Native.put(db, "k", random_bytes(@large)),
          Native.delete(db, "k"),
          Native.compare_and_swap(db, "k", nil, "v"),
          Native.write(db, [{:put, "k", "v"}]),
          Native.sync(db),
          Native.token(db),
          Native.wait_durable(db, 1),
          Native.checkpoint(db),
          Native.compact(db),
          Native.backup(db, "anywhere"),
          Native.stats(db),
          Native.stats_json(db),
          Native.put(db, "k", "v", hint: :cold),
          Native.put(db, "k", random_bytes(@large), hint: :hot),
          Links.link(db, "k", "l"),
          Links.unlink(db, "k", "l"),
          Links.get_linked(db, "k"),
          Links.partners(db, "k"),
          Placement.add_rule(db, ["a*", "b*"]),
          Placement.remove_rule(db, "a*"),
          Placement.rules(db),
          Placement.shard_of(db, "k"),
          Placement.shard_cpu(db, 0),
          Placement.rebalance(db),
          Placement.move_slot(db, 0, 0),
          Monitor.load(db),
          Monitor.events(db),
          Monitor.openmetrics(db)
        ] do
      assert {:error, %Error{reason: :closed}} = answer
    end

    assert_raise Error, fn -> Native.exists?(db, "k") end
    assert_raise Error, fn -> Native.durable?(db, 1) end
    assert_raise Error, fn -> db |> Native.stream() |> Enum.to_list() end
  end

  test "a close while other processes call: they answer or say closed, and nothing crashes" do
    for round <- 1..30 do
      db = Native.open!(:memory, shards: 2)
      for i <- 1..100, do: Native.put!(db, "key #{i}", random_bytes(100))
      callers = for n <- 1..8, do: Task.async(fn -> call_until_closed(db, n, 0) end)
      Process.sleep(rem(round, 5))
      assert Native.close(db) == :ok
      assert Enum.all?(Task.await_many(callers), &is_integer/1)
    end
  end

  test "no call takes what is no handle, and none is fooled by another kind of reference" do
    db = Native.open!(:memory)
    {:ok, iter} = Nif.iter_new(db.ref, "")

    for {name, arity} <- Nif.__info__(:functions), name not in [:load, :open, :version] do
      other = if name in [:iter_next_page, :iter_close], do: db.ref, else: iter

      for wrong <- [nil, :none, make_ref(), 1, "", self(), other] do
        assert_raise ArgumentError, fn ->
          apply(Nif, name, [wrong | List.duplicate("", arity - 1)])
        end
      end
    end

    for wrong <- [nil, :never_started], call <- [&Links.partners(&1, "k"), &Placement.rules/1] do
      assert_raise ArgumentError, ~r/no database/, fn -> call.(wrong) end
    end

    for wrong <- [1, "db", db.ref, %{ref: db.ref}] do
      assert_raise FunctionClauseError, fn -> Monitor.load(wrong) end
      assert_raise FunctionClauseError, fn -> Native.get(wrong, "k") end
    end

    Native.close(db)
  end

  defp call_until_closed(db, n, calls) do
    key = "key #{:rand.uniform(100)}"

    answer =
      case rem(n + calls, 16) do
        0 -> Native.get(db, key)
        1 -> Native.put(db, key, random_bytes(100))
        2 -> Native.multi_get(db, List.duplicate(key, 40))
        3 -> Native.write(db, [{:put, key, random_bytes(20_000)}])
        4 -> Native.put(db, key, random_bytes(20_000))
        5 -> Native.delete(db, key)
        6 -> Native.get(db, key, zero_copy: true)
        7 -> Native.sync(db)
        8 -> Native.put(db, key, random_bytes(100), hint: :cold)
        9 -> Links.link(db, key, "key")
        10 -> Links.get_linked(db, key)
        11 -> Links.unlink(db, key, "key")
        12 -> Placement.add_rule(db, ["key *"], place: false)
        13 -> Placement.move_slot(db, :rand.uniform(4_096) - 1, 1)
        14 -> Monitor.openmetrics(db)
        15 -> Placement.shard_of(db, key)
      end

    case answer do
      {:error, %Error{reason: :closed}} -> calls
      {:error, error} -> error
      _ -> call_until_closed(db, n, calls + 1)
    end
  end

  test "a pinned value outlives overwriting, its key, its handle and its maker" do
    value = random_bytes(@large)
    parent = self()

    {pid, monitor} =
      spawn_monitor(fn ->
        db = Native.open!(:memory)
        Native.put!(db, "k", value)
        pinned = Native.get!(db, "k", zero_copy: true)
        Native.put!(db, "k", random_bytes(@large))
        Native.delete(db, "k")
        Native.compact(db)
        Native.close(db)
        send(parent, {:pinned, pinned, binary_part(pinned, 50_000, 1_000)})
      end)

    assert_receive {:DOWN, ^monitor, :process, ^pid, :normal}, 5_000
    assert_receive {:pinned, pinned, part}
    collect_all()
    assert pinned == value
    assert part == binary_part(value, 50_000, 1_000)
  end

  test "what a multi_get had pinned when a key of it failed is released once" do
    db = Native.open!(:memory, shards: 2)
    keys = for i <- 1..30, do: "key #{i}"
    for key <- keys, do: Native.put!(db, key, random_bytes(@large))
    kept = Native.multi_get!(db, keys, zero_copy: true)
    copies = Enum.map(kept, &:binary.copy/1)

    for _ <- 1..50 do
      # Longer than any key, behind those that were pinned.
      failing = keys ++ [String.duplicate("k", 65_536)]
      assert {:error, %Error{reason: :too_large}} = Native.multi_get(db, failing, zero_copy: true)
      assert {:error, _} = Native.multi_get(db, Enum.take(failing, -2), zero_copy: true)
      for key <- keys, do: Native.put!(db, key, random_bytes(@large))
    end

    Native.compact(db)
    collect_all()
    assert kept == copies
    assert Native.close(db) == :ok
    assert kept == copies
  end

  test "an iterator outlives its database" do
    db = Native.open!(:memory)
    for i <- 1..1_000, do: Native.put!(db, "#{i}", "value #{i}")

    # The first element opens the iterator; the database is closed before the second.
    read =
      db
      |> Native.stream(page_bytes: 200)
      |> Stream.with_index()
      |> Enum.map(fn {entry, i} ->
        if i == 0, do: assert(Native.close(db) == :ok)
        entry
      end)

    assert Enum.sort(read) == Enum.sort(for i <- 1..1_000, do: {"#{i}", "value #{i}"})
  end

  test "processes may share an iterator, and close it twice" do
    db = Native.open!(:memory)
    for i <- 1..2_000, do: Native.put!(db, "key #{i}", "v")
    {:ok, iter} = Nif.iter_new(db.ref, "")

    readers = for _ <- 1..4, do: Task.async(fn -> drain(iter, 0) end)
    page_bytes = readers |> Task.await_many() |> Enum.sum()
    assert page_bytes == Enum.sum(for i <- 1..2_000, do: byte_size("key #{i}") + 9)

    assert Nif.iter_close(iter) == :ok
    assert Nif.iter_close(iter) == :ok
    assert {:error, %Error{reason: :closed}} = Nif.iter_next_page(iter, 100)
  end

  defp drain(iter, bytes) do
    case Nif.iter_next_page(iter, 500) do
      {:ok, page} -> drain(iter, bytes + byte_size(page))
      :done -> bytes
    end
  end

  test "what is dropped in any order is freed, and memory stays flat" do
    churn(50)
    settle()
    before = resident_bytes()
    churn(300)
    settle()
    grown = resident_bytes() - before
    # 300 rounds put 300 x 40 x 70 KB = 840 MB through handles, pins and iterators.
    assert grown < 80_000_000, "#{div(grown, 1_000_000)} MB more after 300 rounds"
  end

  defp settle do
    collect_all()
    Process.sleep(300)
    collect_all()
  end

  # Each round runs in a process of its own, which keeps some of everything and dies with it;
  # what it sends on is dropped by another, later and in another order.
  defp churn(rounds) do
    keeper = spawn_link(fn -> keep([]) end)

    for _ <- 1..rounds do
      {pid, monitor} = spawn_monitor(fn -> send(keeper, {:keep, things()}) end)
      assert_receive {:DOWN, ^monitor, :process, ^pid, :normal}, 10_000
    end

    Process.unlink(keeper)
    Process.exit(keeper, :kill)
  end

  defp things do
    db = Native.open!(:memory, shards: 2)
    for i <- 1..40, do: Native.put!(db, "key #{i}", random_bytes(70_000))
    {:ok, iter} = Nif.iter_new(db.ref, "")
    {:ok, other} = Nif.iter_new(db.ref, "key 1")
    {:ok, page} = Nif.iter_next_page(iter, 50_000)
    pins = for i <- 1..20, do: Native.get!(db, "key #{i}", zero_copy: true)
    if :rand.uniform(2) == 1, do: Native.close(db)
    Enum.take_random([db, iter, other, page | pins], 5)
  end

  defp keep(kept) do
    receive do
      {:keep, things} ->
        kept = Enum.take_random(things ++ kept, 20)
        :erlang.garbage_collect()
        keep(kept)
    end
  end

  test "a database that nobody refers to is closed" do
    path = tmp_path()

    {pid, monitor} =
      spawn_monitor(fn ->
        db = Native.open!(path)
        Native.put!(db, "k", "v")
      end)

    assert_receive {:DOWN, ^monitor, :process, ^pid, :normal}, 10_000
    collect_all()
    # It holds the directory's lock until it is closed.
    db = Native.open!(path, open_timeout_ms: 10_000)
    assert Native.close(db) == :ok
  end
end
