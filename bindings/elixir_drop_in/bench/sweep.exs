# The concurrency sweep of the original's plan: puts, then gets, then half of each, by 1 to 24
# processes at once, beside the plan's targets.
#
#     MIX_ENV=prod mix run bench/sweep.exs [seconds a cell] [directory]
#
# Values are the original's user map (10 fields), keys are of 100,000 users, and every process has
# its own order. Durable: each put that is counted survives a kill of the emulator.
#
# "a core" is the mixed operations for each second of processor time that the emulator used: what a
# busy neighbour takes away does not count in it. Linear means that it stays the same.

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
    # A persistent term is read by every process and copied to none.
    :persistent_term.put(:users, List.to_tuple(for i <- 1..1_000, do: Bench.user(i)))
    # All keys: `key/1` goes round at @users.
    for n <- 0..(@users - 1), do: put(n)
    IO.puts("#{Bench.machine()}; #{@users} users, #{seconds} s a cell; operations a second\n")
    Bench.row(["processes", "target", "put", "get", "mixed", "a core", "mailbox", "BEAM MB"], 10)

    for {processes, target} <- @targets do
      put = rate(processes, seconds, &put/1)
      get = rate(processes, seconds, &get/1)
      used = cpu_seconds()
      mixed = rate(processes, seconds, &mixed/1)
      a_core = mixed * seconds / (cpu_seconds() - used)

      Bench.row(
        [
          "#{processes}",
          Bench.rate(target * 1.0e3),
          Bench.rate(put),
          Bench.rate(get),
          Bench.rate(mixed),
          Bench.rate(a_core),
          mailbox(),
          div(:erlang.memory(:total), 1_048_576)
        ],
        10
      )
    end
  end

  defp mixed(n), do: if(rem(n, 2) == 0, do: put(n), else: get(n))

  # `:rand` costs as much as a get: the order is a multiplication instead.
  defp key(n), do: "user:#{rem(n * 7_919 + div(n, @users), @users) + 1}"

  defp put(n) do
    user = elem(:persistent_term.get(:users), rem(n, 1_000))
    {:ok, :stored, _, _} = WarpEngine.cosmic_put(key(n), user)
  end

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

  # Processor time of the emulator, all its threads.
  defp cpu_seconds do
    fields = File.read!("/proc/self/stat") |> String.split(") ") |> List.last() |> String.split()
    (String.to_integer(Enum.at(fields, 11)) + String.to_integer(Enum.at(fields, 12))) / 100
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
