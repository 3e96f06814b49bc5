defmodule WarpEngine.Native.Support do
  @moduledoc false

  @doc "A fresh path below the system's temporary directory, removed after the test."
  def tmp_path do
    name = "warp_native_#{System.pid()}_#{System.unique_integer([:positive])}"
    path = Path.join(System.tmp_dir!(), name)
    ExUnit.Callbacks.on_exit(fn -> File.rm_rf!(path) end)
    path
  end

  @doc "`size` bytes that differ from each other and from call to call."
  def random_bytes(size), do: :rand.bytes(size)

  @doc "Bytes that this process keeps resident."
  def resident_bytes do
    [_, pages | _] = File.read!("/proc/self/statm") |> String.split()
    String.to_integer(pages) * 4096
  end

  @doc "Collects all garbage, until nothing more becomes free."
  def collect_all do
    for _ <- 1..3, pid <- Process.list(), do: :erlang.garbage_collect(pid)
    :ok
  end

  @doc "Asks `fun` until it is true, for at most `ms`."
  def eventually(fun, ms \\ 5_000) do
    cond do
      fun.() -> true
      ms <= 0 -> false
      true -> Process.sleep(20) && eventually(fun, ms - 20)
    end
  end
end
