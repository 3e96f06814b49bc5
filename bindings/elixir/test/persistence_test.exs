defmodule WarpEngine.Native.PersistenceTest do
  # What is on the disk: reopening, the directory's lock, backup, and the death of the emulator.
  use ExUnit.Case
  import WarpEngine.Native.Support
  alias WarpEngine.Native
  alias WarpEngine.Native.Error

  @moduletag :persistence

  test "what was written is there after a reopen" do
    path = tmp_path()
    db = Native.open!(path, shards: 3)
    for i <- 1..1_000, do: Native.put!(db, "key #{i}", "value #{i}")
    Native.write!(db, [{:delete, "key 1"}, {:put, "key 2", random_bytes(100_000)}])
    assert Native.close(db) == :ok

    db = Native.open!(path, create_if_missing: false)
    assert Native.stats!(db).keys == 999
    assert Native.stats!(db).shards == 3
    assert Native.get(db, "key 1") == :not_found
    assert byte_size(Native.get!(db, "key 2")) == 100_000
    assert Native.get(db, "key 1000") == {:ok, "value 1000"}
    assert Native.close(db) == :ok
  end

  test "a read-only handle reads and refuses writes" do
    path = tmp_path()
    db = Native.open!(path)
    Native.put!(db, "k", "v")
    Native.close(db)

    db = Native.open!(path, read_only: true)
    assert Native.get(db, "k") == {:ok, "v"}
    assert {:error, %Error{reason: :read_only}} = Native.put(db, "k", "w")
    assert {:error, %Error{reason: :read_only}} = Native.delete(db, "k")
    assert {:error, %Error{reason: :read_only}} = Native.write(db, [{:put, "k", "w"}])
    Native.close(db)
  end

  test "an open directory is busy, a missing one is refused, an existing one can be" do
    path = tmp_path()
    db = Native.open!(path)
    assert {:error, %Error{reason: :busy}} = Native.open(path, open_timeout_ms: 50)
    Native.close(db)
    assert {:error, %Error{}} = Native.open(path, error_if_exists: true)
    assert {:error, %Error{}} = Native.open(tmp_path(), create_if_missing: false)
  end

  test "a backup opens as a database of its own" do
    path = tmp_path()
    copy = tmp_path()
    db = Native.open!(path)
    for i <- 1..100, do: Native.put!(db, "key #{i}", "value #{i}")
    assert Native.backup(db, copy) == :ok
    Native.put!(db, "key 1", "later")
    backup = Native.open!(copy)
    assert Native.get(backup, "key 1") == {:ok, "value 1"}
    assert Native.stats!(backup).keys == 100
    Native.close(backup)
    Native.close(db)
  end

  # Another emulator puts keys and says so after each; it is killed in the middle of that.
  @writer """
  [path, durability, round] = System.argv()
  alias WarpEngine.Native
  db = Native.open!(path, durability: durability)
  IO.puts("pid \#{System.pid()}")

  for i <- Stream.iterate(1, &(&1 + 1)) do
    value = String.duplicate("\#{round}: value \#{i} ", rem(i, 50))

    case rem(i, 10) do
      0 -> Native.write!(db, [{:put, "key \#{i}", value}, {:put, "twin \#{i}", value}])
      5 -> Native.delete!(db, "key \#{i - 4}")
      _ -> Native.put!(db, "key \#{i}", value)
    end

    IO.puts("ack \#{i}")
  end
  """

  for durability <- ~w(process periodic sync) do
    test "after kill -9 every acknowledged write is there (durability #{durability})" do
      path = tmp_path()

      for round <- 1..3 do
        last = kill_after_acks(path, unquote(durability), round, 300 * round)
        db = Native.open!(path)
        assert last >= 300 * round
        for i <- 1..last, do: assert_acknowledged(db, round, i, last)
        assert Native.close(db) == :ok
      end
    end
  end

  defp assert_acknowledged(db, round, i, last) do
    value = String.duplicate("#{round}: value #{i} ", rem(i, 50))

    case rem(i, 10) do
      0 ->
        assert Native.get(db, "key #{i}") == {:ok, value}
        assert Native.get(db, "twin #{i}") == {:ok, value}

      # Deleted by the acknowledged step i + 4; if that was not acknowledged, either will do.
      1 when i + 4 <= last ->
        assert Native.get(db, "key #{i}") == :not_found

      1 ->
        assert Native.get(db, "key #{i}") in [{:ok, value}, :not_found]

      5 ->
        assert Native.get(db, "key #{i}") == :not_found

      _ ->
        assert Native.get(db, "key #{i}") == {:ok, value}
    end
  end

  # Number of the last write that the killed emulator acknowledged.
  defp kill_after_acks(path, durability, round, acks) do
    ebin = Path.dirname(to_string(:code.which(Native)))
    args = ["-pa", ebin, "-e", @writer, path, durability, "#{round}"]
    elixir = System.find_executable("elixir")
    port = Port.open({:spawn_executable, elixir}, [:binary, :exit_status, line: 200, args: args])
    assert_receive {^port, {:data, {:eol, "pid " <> pid}}}, 30_000
    last = await_ack(port, acks)
    {_, 0} = System.cmd("kill", ["-9", pid])
    drain(port, last)
  end

  defp await_ack(port, acks) do
    assert_receive {^port, {:data, {:eol, "ack " <> n}}}, 30_000
    if String.to_integer(n) >= acks, do: acks, else: await_ack(port, acks)
  end

  # Acknowledgements that were on their way when the signal came count too.
  defp drain(port, last) do
    receive do
      {^port, {:data, {:eol, "ack " <> n}}} -> drain(port, String.to_integer(n))
      {^port, {:data, _}} -> drain(port, last)
      {^port, {:exit_status, _}} -> last
    after
      10_000 -> flunk("the killed emulator is still there")
    end
  end
end
