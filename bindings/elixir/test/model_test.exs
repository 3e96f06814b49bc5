defmodule WarpEngine.Native.ModelTest do
  # Random operations on the database and on a map, compared step by step. A failure prints the
  # seed; WARP_SEED=… repeats it, WARP_STEPS=… makes it longer.
  use ExUnit.Case, async: true
  import WarpEngine.Native.Support
  alias WarpEngine.Native

  @steps String.to_integer(System.get_env("WARP_STEPS", "20000"))

  test "the database answers as a map does" do
    run(:memory, seed(), @steps)
  end

  @tag :persistence
  @tag timeout: 300_000
  test "a database on disk does so too, across reopens" do
    # Half as many: most of the time goes into waiting for the device.
    run(tmp_path(), seed(), div(@steps, 2))
  end

  defp seed do
    case System.get_env("WARP_SEED") do
      nil -> :erlang.unique_integer([:positive]) * 7919 + System.os_time(:microsecond)
      text -> String.to_integer(text)
    end
  end

  defp run(path, seed, steps) do
    :rand.seed(:exsss, seed)
    options = [shards: Enum.random([1, 2, 24]), durability: :process]
    IO.puts("\nmodel test: WARP_SEED=#{seed} path=#{inspect(path)} #{inspect(options)}")
    state = {Native.open!(path, options), %{}, path, options}

    {db, model, _, _} =
      Enum.reduce(1..steps, state, fn step, state ->
        try do
          step(pick(), state)
        rescue
          error in ExUnit.AssertionError ->
            message = "step #{step}, WARP_SEED=#{seed}: #{error.message}"
            reraise %{error | message: message}, __STACKTRACE__
        end
      end)

    assert_same(db, model)
    assert Native.close(db) == :ok
  end

  @weights [
    put: 30,
    get: 20,
    delete: 10,
    swap: 10,
    multi_get: 5,
    batch: 5,
    exists: 5,
    prefix: 1,
    upkeep: 1,
    reopen: 1
  ]
  @bag Enum.flat_map(@weights, fn {name, n} -> List.duplicate(name, n) end)

  defp pick, do: Enum.random(@bag)

  defp step(:put, {db, model, path, options}) do
    {key, value} = {key(), value()}
    assert Native.put(db, key, value) == :ok
    {db, Map.put(model, key, value), path, options}
  end

  defp step(:get, {db, model, _, _} = state) do
    key = key()
    assert Native.get(db, key, zero_copy: Enum.random([true, false])) == answer(model, key)
    state
  end

  defp step(:delete, {db, model, path, options}) do
    key = key()
    expected = if is_map_key(model, key), do: :ok, else: :not_found
    assert Native.delete(db, key) == expected
    {db, Map.delete(model, key), path, options}
  end

  defp step(:swap, {db, model, path, options}) do
    key = key()
    current = Map.get(model, key)
    expected = Enum.random([current, current, nil, "", "wrong"])
    desired = Enum.random([nil, value()])

    if expected == current do
      assert Native.compare_and_swap(db, key, expected, desired) == :ok
      model = if desired, do: Map.put(model, key, desired), else: Map.delete(model, key)
      {db, model, path, options}
    else
      assert Native.compare_and_swap(db, key, expected, desired) == :conflict
      {db, model, path, options}
    end
  end

  defp step(:multi_get, {db, model, _, _} = state) do
    keys = for _ <- 1..:rand.uniform(40), do: key()
    assert Native.multi_get(db, keys) == {:ok, Enum.map(keys, &Map.get(model, &1))}
    state
  end

  defp step(:batch, {db, model, path, options}) do
    operations =
      for _ <- 1..:rand.uniform(50) do
        if :rand.uniform(4) == 1, do: {:delete, key()}, else: {:put, key(), value()}
      end

    assert Native.write(db, operations) == :ok

    model =
      Enum.reduce(operations, model, fn
        {:put, key, value}, model -> Map.put(model, key, value)
        {:delete, key}, model -> Map.delete(model, key)
      end)

    {db, model, path, options}
  end

  defp step(:exists, {db, model, _, _} = state) do
    key = key()
    assert Native.exists?(db, key) == is_map_key(model, key)
    state
  end

  defp step(:prefix, {db, model, _, _} = state) do
    prefix = binary_part(key(), 0, 1)
    page_bytes = Enum.random([1, 500, 65_536])
    read = db |> Native.stream(prefix: prefix, page_bytes: page_bytes) |> Enum.sort()
    assert read == model |> Enum.filter(&String.starts_with?(elem(&1, 0), prefix)) |> Enum.sort()
    state
  end

  defp step(:upkeep, {db, _, _, _} = state) do
    # A compaction ends the segment of every shard, with several syncs for each.
    call = Enum.random([:sync, :sync, :checkpoint, :checkpoint, :compact])
    assert apply(Native, call, [db]) == :ok
    state
  end

  defp step(:reopen, {_, _, :memory, _} = state), do: state

  defp step(:reopen, {db, model, path, options}) do
    assert Native.close(db) == :ok
    db = Native.open!(path, options)
    assert_same(db, model)
    {db, model, path, options}
  end

  defp assert_same(db, model) do
    assert db |> Native.stream() |> Enum.sort() == Enum.sort(model)
    assert Native.stats!(db).keys == map_size(model)
  end

  defp answer(model, key) do
    with :error <- Map.fetch(model, key), do: :not_found
  end

  # Few enough keys that each is written, deleted and written again many times.
  defp key do
    n = :rand.uniform(300)
    if rem(n, 10) == 0, do: <<n::16, 0, 255>>, else: "key #{n}"
  end

  defp value do
    size =
      case :rand.uniform(100) do
        n when n <= 80 -> :rand.uniform(200) - 1
        n when n <= 98 -> :rand.uniform(5_000)
        _ -> :rand.uniform(100_000)
      end

    :rand.bytes(size)
  end
end
