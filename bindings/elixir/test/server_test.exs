defmodule WarpEngine.Native.ServerTest do
  use ExUnit.Case
  import ExUnit.CaptureLog
  import WarpEngine.Native.Support
  alias WarpEngine.Native
  alias WarpEngine.Native.Error

  test "a supervised database is used by its name and closed with its supervisor" do
    name = :"db_#{System.unique_integer([:positive])}"
    start_supervised!({Native, name: name, path: :memory, shards: 2})
    assert Native.put(name, "k", "v") == :ok
    assert Native.get(name, "k") == {:ok, "v"}
    assert Native.multi_get!(name, ["k"]) == ["v"]
    assert Native.stream(name) |> Enum.to_list() == [{"k", "v"}]
    handle = Native.handle!(name)
    assert Native.get(handle, "k") == {:ok, "v"}
    :ok = stop_supervised({Native, name})
    assert {:error, %Error{reason: :closed}} = Native.get(name, "k")
    assert {:error, %Error{reason: :closed}} = Native.get(handle, "k")
  end

  test "the default name is the module" do
    start_supervised!({Native, path: :memory})
    assert Native.put(Native, "k", "v") == :ok
  end

  test "an owner that was killed leaves nothing open behind its successor" do
    name = :killed_owner
    path = tmp_path()
    start_supervised!({Native, name: name, path: path, open_timeout_ms: 5_000})
    old = Native.handle!(name)
    Native.put!(name, "k", "v")
    owner = Process.whereis(Module.concat(Native.Server, name))

    capture_log(fn ->
      Process.exit(owner, :kill)
      assert eventually(fn -> Native.handle!(name) != old end)
    end)

    assert {:error, %Error{reason: :closed}} = Native.get(old, "k")
    assert Native.put(name, "k2", "v") == :ok
    stop_supervised!({Native, name})
  end

  test "one name, one database; a bad option stops the start" do
    Process.flag(:trap_exit, true)
    {:ok, pid} = Native.start_link(name: :only_one, path: :memory)
    assert {:error, {:already_started, ^pid}} = Native.start_link(name: :only_one, path: :memory)
    GenServer.stop(pid)

    capture_log(fn ->
      assert {:error, %Error{reason: :invalid_argument}} =
               Native.start_link(name: :bad, path: :memory, shards: 0)
    end)

    assert_raise ArgumentError, ~r/no database named :bad/, fn -> Native.get(:bad, "k") end
    assert_raise KeyError, fn -> Native.start_link(name: :no_path) end
    assert_raise ArgumentError, fn -> Native.start_link(name: "text", path: :memory) end
  end
end
