defmodule WarpEngine.KillTest do
  # The promise that the original did not keep: every acknowledged put is there after SIGKILL of the
  # emulator. Another emulator runs the application, several processes in it put and say so after
  # each; it is killed at a random moment; then every acknowledged put is asked for.
  use ExUnit.Case
  import WarpEngine.Support
  alias WarpEngine.Native

  @writers 4

  @writer """
  [root, round] = System.argv()
  Application.put_all_env(warp_engine: [data_root: root, enable_entropy_monitoring: false])
  {:ok, _} = Application.ensure_all_started(:warp_engine)
  parent = self()

  value = fn writer, i ->
    %{round: round, writer: writer, number: i, text: String.duplicate("x", rem(i, 700))}
  end

  for writer <- 1..#{@writers} do
    spawn_link(fn ->
      for i <- Stream.iterate(1, &(&1 + 1)) do
        {:ok, :stored, _, _} = WarpEngine.cosmic_put({writer, i}, value.(writer, i))
        if rem(i, 50) == 0, do: {:ok, _} = WarpEngine.create_quantum_entanglement({writer, i}, [{writer, i - 1}], 0.5)
        send(parent, {writer, i})
      end
    end)
  end

  IO.puts("pid \#{System.pid()}")

  loop = fn loop ->
    receive do
      {writer, i} -> IO.puts("ack \#{writer} \#{i}")
    end

    loop.(loop)
  end

  loop.(loop)
  """

  @tag timeout: 600_000
  test "20 kills lose nothing that was acknowledged", do: kills(20)

  @tag :long
  @tag timeout: :infinity
  test "200 kills lose nothing that was acknowledged", do: kills(200)

  defp kills(count) do
    root = tmp_path()
    acknowledged = for round <- 1..count, do: kill_round(root, round)
    IO.puts("\n#{count} kills, #{Enum.sum(acknowledged)} acknowledged puts, 0 lost")
    assert Enum.sum(acknowledged) > count
  end

  defp kill_round(root, round) do
    acks = run_and_kill(root, round)

    # In this emulator, by the engine alone: what the application's own start might mend is not.
    db = Native.open!(Path.join(root, "engine"))

    for {writer, last} <- acks, i <- 1..last//1 do
      {:ok, bytes} = Native.get(db, WarpEngine.Key.encode({writer, i}))
      assert {:ok, _, value, _} = WarpEngine.Record.decode(bytes)
      assert %{round: got, number: ^i, writer: ^writer} = value
      assert got == "#{round}"
      assert byte_size(value.text) == rem(i, 700)
      if rem(i, 50) == 0, do: assert_linked(db, {writer, i}, {writer, i - 1})
    end

    Native.close(db)
    acks |> Map.values() |> Enum.sum()
  end

  # Both directions, or none: but it was acknowledged, so both.
  defp assert_linked(db, a, b) do
    for {from, to} <- [{a, b}, {b, a}] do
      {:ok, partners} = Native.Links.all(db, WarpEngine.Key.encode(from))
      assert {WarpEngine.Key.encode(to), 0.5} in partners
    end
  end

  # The last acknowledged number of each writer.
  defp run_and_kill(root, round) do
    paths =
      for app <- [:warp_engine, :warp_engine_native], do: Path.join(:code.lib_dir(app), "ebin")

    args = Enum.flat_map(paths, &["-pa", &1]) ++ ["-e", @writer, root, "#{round}"]
    elixir = System.find_executable("elixir")
    port = Port.open({:spawn_executable, elixir}, [:binary, :exit_status, line: 200, args: args])
    assert_receive {^port, {:data, {:eol, "pid " <> pid}}}, 60_000
    assert_receive {^port, {:data, {:eol, "ack" <> _}}}, 60_000
    acks = collect(port, %{}, System.monotonic_time(:millisecond) + :rand.uniform(80))
    {_, 0} = System.cmd("kill", ["-9", pid])
    drain(port, acks)
  end

  defp collect(port, acks, deadline) do
    receive do
      {^port, {:data, {:eol, "ack " <> ack}}} -> collect(port, note(acks, ack), deadline)
    after
      max(0, deadline - System.monotonic_time(:millisecond)) -> acks
    end
    |> then(
      &if(System.monotonic_time(:millisecond) < deadline,
        do: collect(port, &1, deadline),
        else: &1
      )
    )
  end

  # Acknowledgements that were on their way when the signal came count too.
  defp drain(port, acks) do
    receive do
      {^port, {:data, {:eol, "ack " <> ack}}} -> drain(port, note(acks, ack))
      {^port, {:data, _}} -> drain(port, acks)
      {^port, {:exit_status, _}} -> acks
    after
      30_000 -> flunk("the killed emulator is still there")
    end
  end

  defp note(acks, ack) do
    [writer, i] = ack |> String.split(" ") |> Enum.map(&String.to_integer/1)
    Map.update(acks, writer, i, &max(&1, i))
  end
end
