# The concurrency sweep of the original's plan: puts, then gets, then half of each, by 1 to 24
# processes at once, beside the plan's targets.
#
#     MIX_ENV=prod mix run bench/sweep.exs [seconds a cell] [directory]
#
# Values are the original's user map (10 fields), keys are of 100,000 users, and every process has
# its own random order. Durable: each put that is counted survives a kill of the emulator.

Code.require_file("support.exs", __DIR__)

defmodule Sweep do
  @users 100_000
  @targets [
    {1, 371},
    {2, 742},
    {4, 1_484},
    {8, 2_968},
    {12, 4_200},
    {16, 5_600},
    {20, 7_000},
    {24, 8_400}
  ]

  def run(seconds) do
    users = List.to_tuple(for i <- 1..1_000, do: Bench.user(i))
    fill(users)
    IO.puts("#{Bench.machine()}; #{@users} users, #{seconds} s a cell; operations a second\n")
    Bench.row(["processes", "target", "put", "get", "mixed", "mixed/1", "mailbox", "BEAM MB"])
    alone = mixed(users, 1, seconds)

    for {processes, target} <- @targets do
      put = rate(processes, seconds, &put(users, &1))
      get = rate(processes, seconds, &get/1)
      mixed = if processes == 1, do: alone, else: mixed(users, processes, seconds)
      factor = :erlang.float_to_binary(mixed / alone, decimals: 2) <> " x"

      Bench.row([
        "#{processes}",
        Bench.rate(target * 1.0e3),
        Bench.rate(put),
        Bench.rate(get),
        Bench.rate(mixed),
        factor,
        mailbox(),
        div(:erlang.memory(:total), 1_048_576)
      ])
    end
  end

  defp fill(users) do
    for i <- 1..@users,
        do: {:ok, :stored, _, _} = WarpEngine.cosmic_put("user:#{i}", elem(users, rem(i, 1_000)))
  end

  defp mixed(users, processes, seconds) do
    rate(processes, seconds, fn n -> if rem(n, 2) == 0, do: put(users, n), else: get(n) end)
  end

  # `:rand` costs as much as a get: the order is a multiplication instead.
  defp key(n), do: "user:#{rem(n * 7_919 + div(n, @users), @users) + 1}"

  defp put(users, n),
    do: {:ok, :stored, _, _} = WarpEngine.cosmic_put(key(n), elem(users, rem(n, 1_000)))

  defp get(n), do: {:ok, _, _, _} = WarpEngine.cosmic_get(key(n))

  defp rate(processes, seconds, fun) do
    deadline = System.monotonic_time(:millisecond) + seconds * 1_000
    counts = :counters.new(processes, [])

    ns =
      Bench.together(processes, fn i ->
        loop(fun, i * 13_000, deadline, 0) |> then(&:counters.put(counts, i, &1))
      end)

    total = Enum.sum(for i <- 1..processes, do: :counters.get(counts, i))
    total * 1.0e9 / ns
  end

  defp loop(fun, n, deadline, done) do
    hundred(fun, n, 100)
    done = done + 100

    if System.monotonic_time(:millisecond) < deadline,
      do: loop(fun, n + 100, deadline, done),
      else: done
  end

  defp hundred(_fun, _n, 0), do: :ok

  defp hundred(fun, n, left) do
    fun.(n)
    hundred(fun, n + 1, left - 1)
  end

  # The longest mailbox of all processes.
  defp mailbox do
    lengths = for pid <- Process.list(), {_, n} <- [Process.info(pid, :message_queue_len)], do: n
    Enum.max(lengths)
  end
end

{seconds, dir} =
  case System.argv() do
    [] -> {1, nil}
    [seconds] -> {String.to_integer(seconds), nil}
    [seconds, dir] -> {String.to_integer(seconds), dir}
  end

Bench.on_database(dir, fn -> Sweep.run(seconds) end)
