defmodule WarpEngine.Native.ColdTest do
  # No scheduler waits for the disk: a data set of ten times the memory limit, its pages dropped
  # from the page cache, on a disk whose reads take 10 ms; see support/slow_disk.exs. A real disk
  # would prove little: a fast one answers within the millisecond that is measured.
  use ExUnit.Case
  import WarpEngine.Native.Support
  alias WarpEngine.Native

  @keys 60_000
  @value_bytes 1_000
  @support Path.expand("support", __DIR__)

  setup_all do
    path = Path.join(System.tmp_dir!(), "warp_native_cold_#{System.pid()}")
    on_exit(fn -> File.rm_rf!(path) end)
    File.mkdir_p!(path)
    shim = Path.join(path, "slow_disk.so")
    source = Path.join(@support, "slow_disk.c")
    cc = ~w(-O2 -shared -fPIC -Wall -Wextra -Werror) ++ [source, "-o", shim, "-ldl"]
    {_, 0} = System.cmd(System.get_env("CC", "cc"), cc, into: IO.stream())
    db = Native.open!(Path.join(path, "db"), shards: 2, durability: :process)
    for i <- 1..@keys, do: Native.put!(db, "key #{i}", random_bytes(@value_bytes))
    :ok = Native.close(db)
    {:ok, path: path, shim: shim}
  end

  test "reads of cold keys hold no scheduler", context do
    assert_quiet(
      context,
      ~w(get get_zero_copy get_unless get_if_changed exists multi_get_few multi_get_many)
    )
  end

  test "cold partners and pages hold no scheduler", context do
    assert_quiet(context, ~w(get_linked partners all_partners stream))
  end

  test "writes over cold keys hold no scheduler", context do
    assert_quiet(context, ~w(put put_hinted delete swap write))
  end

  defp assert_quiet(%{path: path, shim: shim}, workloads) do
    # Each emulator has a copy: writes bring keys back into memory.
    directory = Path.join(path, hd(workloads))
    File.cp_r!(Path.join(path, "db"), directory)

    environment = [
      {"LD_PRELOAD", shim},
      {"SLOW_DISK", Path.join(path, "slow")},
      {"SLOW_DISK_MS", "10"}
    ]

    script = Path.join(@support, "slow_disk.exs")
    ebin = Application.app_dir(:warp_engine_native, "ebin")
    arguments = ["-pa", ebin, script, directory, "#{@keys}" | workloads]
    {output, status} = System.cmd("elixir", arguments, env: environment, stderr_to_stdout: true)
    assert status == 0, output

    for {workload, line} <- Enum.zip(workloads, String.split(output, "\n", trim: true)) do
      assert [^workload, quiet, _reads] = String.split(line), output

      assert quiet == "3",
             "#{workload} held a scheduler in every attempt but #{quiet}:\n#{output}"
    end
  end
end
