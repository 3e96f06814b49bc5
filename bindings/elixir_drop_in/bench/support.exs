defmodule Bench do
  @moduledoc false

  @doc """
  A user as the original's benchmarks have it: 10 fields, 626 bytes in the external term format.
  """
  def user(id) do
    number = String.pad_leading("#{id}", 9, "0")

    %{
      id: 100_000_000 + id,
      name: "User #{number}",
      email: "user#{number}@example.com",
      age: 18 + rem(id, 60),
      status: "active",
      bio: String.duplicate("A line about this user. ", 5),
      settings: %{
        theme: "dark",
        language: "en",
        notifications: %{email: true, push: false, sms: false},
        privacy: "friends"
      },
      tags: ["early", "premium", "verified", "beta", "mobile", "web"],
      created_at: "2024-05-17T09:30:00Z",
      metadata: %{
        login_count: 1_000 + rem(id, 1_000),
        last_ip: "192.168.100.200",
        last_seen: "today",
        devices: ["phone", "laptop"]
      }
    }
  end

  @doc "Nanoseconds that `fun` takes in a process of its own."
  def elapsed(fun) do
    task =
      Task.async(fn ->
        start = System.monotonic_time(:nanosecond)
        fun.()
        System.monotonic_time(:nanosecond) - start
      end)

    Task.await(task, :infinity)
  end

  @doc "Nanoseconds until `processes` processes have each run `fun`."
  def together(processes, fun) do
    parent = self()

    pids =
      for i <- 1..processes do
        spawn_link(fn ->
          receive do: (:go -> fun.(i))
          send(parent, {:done, self()})
        end)
      end

    start = System.monotonic_time(:nanosecond)
    for pid <- pids, do: send(pid, :go)
    for pid <- pids, do: receive(do: ({:done, ^pid} -> :ok))
    System.monotonic_time(:nanosecond) - start
  end

  @doc "Runs `fun` on a fresh database below `dir` (default: the system's temporary directory)."
  def on_database(dir, options \\ [], fun) do
    root = Path.join(dir || System.tmp_dir!(), "warp_bench_#{System.pid()}")
    started = Application.fetch_env!(:warp_engine, :data_root)

    for {key, value} <- [{:data_root, root} | options],
        do: Application.put_env(:warp_engine, key, value)

    {:ok, :restarted} = WarpEngine.Application.restart_universe()
    File.rm_rf!(started)
    fun.()
  after
    Application.stop(:warp_engine)
    File.rm_rf!(Application.fetch_env!(:warp_engine, :data_root))
  end

  def machine do
    "OTP #{System.otp_release()}, Elixir #{System.version()}, #{System.schedulers_online()} schedulers, " <>
      "engine #{WarpEngine.Native.version()}"
  end

  def row([label | cells], width \\ 12) do
    IO.puts(
      Enum.join([
        String.pad_trailing(label, 30) | Enum.map(cells, &String.pad_leading("#{&1}", width))
      ])
    )
  end

  def number(ns), do: :erlang.float_to_binary(ns * 1.0, decimals: if(ns < 100, do: 1, else: 0))

  def rate(n) when n >= 1.0e6, do: :erlang.float_to_binary(n / 1.0e6, decimals: 2) <> " M"
  def rate(n), do: :erlang.float_to_binary(n / 1.0e3, decimals: 0) <> " K"

  def resident_mb do
    [_, pages | _] = File.read!("/proc/self/statm") |> String.split()
    div(String.to_integer(pages) * 4096, 1_048_576)
  end
end
