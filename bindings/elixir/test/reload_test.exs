defmodule WarpEngine.Native.ReloadTest do
  # A code upgrade of the NIF's module while handles, iterators and pinned values are alive.
  use ExUnit.Case
  import WarpEngine.Native.Support
  alias WarpEngine.Native
  alias WarpEngine.Native.Nif

  test "what the old code made goes on working under the new, and is freed by it" do
    db = Native.open!(:memory)
    value = random_bytes(50_000)
    for i <- 1..500, do: Native.put!(db, "key #{i}", value)

    for _ <- 1..5 do
      pinned = Native.get!(db, "key 1", zero_copy: true)
      {:ok, iter} = Nif.iter_new(db.ref, "")
      reload()
      assert pinned == value
      assert {:ok, _page} = Nif.iter_next_page(iter, 100)
      assert Native.get!(db, "key 2") == value
      assert Native.put(db, "new", "value") == :ok
      assert Native.stats!(db).keys == 501
    end

    collect_all()
    assert Native.close(db) == :ok
    assert {:error, %{reason: :closed}} = Native.get(db, "new")
  end

  test "a reload in the middle of calls" do
    db = Native.open!(:memory)
    for i <- 1..100, do: Native.put!(db, "key #{i}", random_bytes(100))
    done = :atomics.new(1, [])

    callers = for _ <- 1..4, do: Task.async(fn -> call_until(db, done) end)

    for _ <- 1..10 do
      reload()
      Process.sleep(5)
    end

    :atomics.put(done, 1, 1)
    assert Enum.all?(Task.await_many(callers), &(&1 == :ok))
    Native.close(db)
  end

  defp call_until(db, done) do
    {:ok, _} = Native.get(db, "key #{:rand.uniform(100)}")
    :ok = Native.put(db, "key #{:rand.uniform(100)}", random_bytes(100))
    {:ok, _} = Native.multi_get(db, List.duplicate("key 1", 30))
    if :atomics.get(done, 1) == 1, do: :ok, else: call_until(db, done)
  end

  test "handles dropped while the module is gone are freed once it is back" do
    {pid, monitor} =
      spawn_monitor(fn ->
        db = Native.open!(:memory)
        Native.put!(db, "k", random_bytes(50_000))
        {Native.get!(db, "k", zero_copy: true), Nif.iter_new(db.ref, "")}
        :code.delete(Nif)
      end)

    assert_receive {:DOWN, ^monitor, :process, ^pid, :normal}, 5_000
    :code.purge(Nif)
    collect_all()
    {:module, Nif} = :code.load_file(Nif)
    db = Native.open!(:memory)
    assert Native.put(db, "k", "v") == :ok
    assert Native.close(db) == :ok
  end

  # A purge kills processes that are still in old code, dirty calls included; a soft one waits.
  defp reload do
    assert eventually(fn -> :code.soft_purge(Nif) end)
    {:module, Nif} = :code.load_file(Nif)
    assert eventually(fn -> :code.soft_purge(Nif) end)
  end
end
