defmodule WarpEngine.Support do
  @moduledoc false

  @doc "A fresh path below the system's temporary directory, removed after the test."
  def tmp_path do
    name = "warp_drop_in_#{System.pid()}_#{System.unique_integer([:positive])}"
    path = Path.join(System.tmp_dir!(), name)
    ExUnit.Callbacks.on_exit(fn -> File.rm_rf!(path) end)
    path
  end

  @doc "A key that no other test uses."
  def fresh(name), do: "#{name}:#{System.unique_integer([:positive])}"

  @doc "Asks `fun` until it is true, for at most `ms`."
  def eventually(fun, ms \\ 5_000) do
    cond do
      fun.() -> true
      ms <= 0 -> false
      true -> Process.sleep(20) && eventually(fun, ms - 20)
    end
  end

  @doc "Runs `fun` with other options of the application, restarted before and after."
  def with_config(options, fun) do
    before = Application.get_all_env(:warp_engine)

    try do
      Application.put_all_env(warp_engine: options)
      {:ok, :restarted} = WarpEngine.Application.restart_universe()
      fun.()
    after
      for {key, _} <- options, do: Application.delete_env(:warp_engine, key)
      Application.put_all_env(warp_engine: before)
      {:ok, :restarted} = WarpEngine.Application.restart_universe()
    end
  end
end
