# Run by cold_test.exs in an emulator of its own, in which slow_disk.c is preloaded:
#
#     elixir -pa EBIN slow_disk.exs DIRECTORY KEYS WORKLOAD...
#
# Each workload gets attempts. In one, several processes do nothing but call, on keys that are
# neither mapped nor cached nor in the page cache, and each read of the disk takes 10 ms: whoever
# waited for one on a scheduler would be reported, in every attempt. The operating system takes a
# scheduler's thread away for a millisecond now and then, so some attempts are not quiet. Prints
# WORKLOAD QUIET-ATTEMPTS READS, the last being how often an answer was not to be had at once.

defmodule SlowDisk do
  alias WarpEngine.Native
  alias WarpEngine.Native.Links

  @attempts 200
  @attempt_ms 40
  @quiet_ones 3
  @late_ms 100
  @processes 4

  def main([directory, keys | workloads]) do
    keys = String.to_integer(keys)
    db = Native.open!(directory, memory_limit: "6M", shards: 2, durability: :process)
    # Opens the files of the segments.
    for i <- 1..keys//97, do: Native.get!(db, "key #{i}")
    File.write!(System.fetch_env!("SLOW_DISK"), "")

    for workload <- workloads do
      before = blocked(db)

      quiet =
        quiet_attempts(directory, fn -> call(workload, db, "key #{:rand.uniform(keys)}") end)

      IO.puts("#{workload} #{quiet} #{blocked(db) - before}")
    end

    File.rm!(System.fetch_env!("SLOW_DISK"))
    :ok = Native.close(db)
  end

  defp call("get", db, key), do: Native.get(db, key)
  defp call("get_zero_copy", db, key), do: Native.get(db, key, zero_copy: true)
  defp call("get_unless", db, key), do: Native.get_unless(db, key, "other")
  defp call("get_if_changed", db, key), do: Native.get_if_changed(db, key, 1)
  defp call("exists", db, key), do: Native.exists?(db, key)
  defp call("multi_get_few", db, key), do: Native.multi_get(db, ["none", key])
  defp call("multi_get_many", db, key), do: Native.multi_get(db, List.duplicate(key, 20))
  defp call("get_linked", db, key), do: Links.get_linked(db, key)
  defp call("partners", db, key), do: Links.partners(db, key)
  defp call("all_partners", db, key), do: Links.all(db, key)
  defp call("stream", db, _key), do: db |> Native.stream(page_bytes: 1) |> Enum.take(1)
  defp call("put", db, key), do: Native.put(db, key, "v")
  defp call("put_hinted", db, key), do: Native.put(db, key, "v", hint: :cold)
  defp call("delete", db, key), do: Native.delete(db, key)
  defp call("swap", db, key), do: Native.compare_and_swap(db, key, "other", "v")
  defp call("write", db, key), do: Native.write(db, [{:put, key, "v"}])

  defp quiet_attempts(directory, call) do
    1..@attempts
    |> Stream.filter(fn _ -> quiet?(directory, call) end)
    |> Enum.take(@quiet_ones)
    |> length()
  end

  defp quiet?(directory, call) do
    drop_pages(directory)
    collector = self()
    :erlang.system_monitor(collector, [{:long_schedule, 1}])
    deadline = System.monotonic_time(:millisecond) + @attempt_ms
    callers = for _ <- 1..@processes, do: spawn_monitor(fn -> repeat(call, deadline) end)

    for {pid, monitor} <- callers do
      receive do
        {:DOWN, ^monitor, :process, ^pid, :normal} -> :ok
      end
    end

    pids = Enum.map(callers, &elem(&1, 0))
    quiet = reports(pids) == [] and late_reports(pids) == []
    :erlang.system_monitor(:undefined)
    quiet
  end

  # From schedulers that the operating system had stopped when their processes ended.
  defp late_reports(pids) do
    Process.sleep(@late_ms)
    reports(pids)
  end

  defp repeat(call, deadline) do
    call.()
    if System.monotonic_time(:millisecond) < deadline, do: repeat(call, deadline)
  end

  defp reports(pids) do
    receive do
      {:monitor, pid, :long_schedule, info} ->
        if pid in pids, do: [info | reports(pids)], else: reports(pids)
    after
      0 -> []
    end
  end

  # Has the kernel drop what it keeps of the segments.
  defp drop_pages(directory) do
    for path <- Path.wildcard(Path.join(directory, "*.seg")) do
      {:ok, file} = :file.open(path, [:read, :raw])
      :ok = :file.advise(file, 0, 0, :dont_need)
      :file.close(file)
    end
  end

  defp blocked(db) do
    [_, n] = Regex.run(~r/"would_block":(\d+)/, elem(Native.stats_json(db), 1))
    String.to_integer(n)
  end
end

SlowDisk.main(System.argv())
