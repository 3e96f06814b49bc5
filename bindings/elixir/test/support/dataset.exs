# The data set that every language of WarpEngine writes and every other reads; the rules are in
# tests/conformance/README.md. The module's code path must hold the built package:
#
#     elixir -pa _build/test/lib/warp_engine_native/ebin test/support/dataset.exs write DIR
#     elixir -pa _build/test/lib/warp_engine_native/ebin test/support/dataset.exs read DIR

defmodule WarpEngine.Native.Dataset do
  @moduledoc false
  import Bitwise
  alias WarpEngine.Native
  alias WarpEngine.Native.Batch

  @indices 3_000
  @block 100
  @shards 5
  @mask 0xFFFF_FFFF_FFFF_FFFF
  # What dataset.py prints.
  @expected "2546 keys, digest 2b20ddfbe9d6b535"
  @keys 2_546

  def expected, do: @expected

  @doc "Creates the data set in `dir`, which must not exist."
  def write(dir) do
    db = Native.open!(dir, shards: @shards, durability: :process, error_if_exists: true)

    for {generation, step} <- [{0, 1}, {1, 5}], i <- 0..(@indices - 1)//step do
      Native.put!(db, key(i), value(i, generation))
    end

    Native.checkpoint!(db)
    for block <- 0..(div(@indices, @block) - 1), do: write_block(db, block)

    for i <- 0..(@indices - 1)//13 do
      answer = if rem(i, 11) == 0, do: :not_found, else: :ok
      ^answer = Native.delete!(db, key(i))
    end

    for i <- 0..(@indices - 1)//17 do
      old = if generation = before_swaps(i), do: value(i, generation)
      Native.compare_and_swap!(db, key(i), old, value(i, 3))
    end

    Native.sync!(db)
    :ok = Native.close(db)
  end

  # As a batch, and every other one as the binary that the engine reads.
  defp write_block(db, block) do
    operations =
      for i <- (block * @block)..(block * @block + @block - 1) do
        put = if rem(i, 7) == 0, do: [{:put, key(i), value(i, 2)}], else: []
        delete = if rem(i, 11) == 0, do: [{:delete, key(i)}], else: []
        put ++ delete
      end

    batch = operations |> List.flatten() |> Batch.new()

    case rem(block, 2) do
      0 -> Native.write!(db, batch)
      1 -> :ok = Native.Nif.write(db.ref, Batch.to_binary(batch), Batch.count(batch))
    end
  end

  @doc "Checks every key and value of the data set in `dir`; the number of keys and the digest."
  def read(dir) do
    db = Native.open!(dir, read_only: true)

    {wanted, digest} =
      Enum.reduce(0..(@indices - 1), {%{}, 0xCBF29CE484222325}, fn i, {wanted, digest} ->
        key = key(i)

        case final(i) do
          nil ->
            :not_found = Native.get(db, key)
            {wanted, digest}

          generation ->
            value = value(i, generation)
            {:ok, ^value} = Native.get(db, key)
            {Map.put(wanted, key, value), digest |> fnv(key) |> fnv(value)}
        end
      end)

    entries = Enum.to_list(Native.stream(db))
    true = length(entries) == map_size(wanted)
    true = Map.new(entries) == wanted
    %{keys: @keys, shards: @shards} = Native.stats!(db)
    :ok = Native.close(db)
    digest = digest |> Integer.to_string(16) |> String.downcase() |> String.pad_leading(16, "0")
    "#{map_size(wanted)} keys, digest #{digest}"
  end

  # The SplitMix64 step.
  defp mix(x) do
    x = x + 0x9E3779B97F4A7C15 &&& @mask
    x = bxor(x, x >>> 30) * 0xBF58476D1CE4E5B9 &&& @mask
    x = bxor(x, x >>> 27) * 0x94D049BB133111EB &&& @mask
    bxor(x, x >>> 31)
  end

  defp key(i) when rem(i, 4) == 0, do: "key-#{i}"
  defp key(i) when rem(i, 4) == 1, do: <<mix(i)::64-little>>
  defp key(i) when rem(i, 4) == 2, do: <<0, "#{i}", 255>>
  defp key(i), do: String.duplicate("k", rem(mix(i), 500)) <> "-#{i}"

  defp value(i, generation) do
    s = mix(8 * i + generation)
    # Small numbers alone count for the low 8 bits.
    base = s >>> 16 &&& 0xFF
    bytes(base, 0, length_of(i, s), [])
  end

  defp length_of(1_000, _s), do: 3 <<< 20
  defp length_of(i, _s) when rem(i, 250) == 249, do: 60_000 + 37 * i
  defp length_of(_i, s), do: rem(s, 400)

  defp bytes(_base, length, length, bytes),
    do: bytes |> Enum.reverse() |> :erlang.list_to_binary()

  defp bytes(base, j, length, bytes) do
    bytes(base, j + 1, length, [base + 7 * j + (j >>> 8) &&& 0xFF | bytes])
  end

  defp before_swaps(i) do
    cond do
      rem(i, 13) == 0 or rem(i, 11) == 0 -> nil
      rem(i, 7) == 0 -> 2
      rem(i, 5) == 0 -> 1
      true -> 0
    end
  end

  defp final(i), do: if(rem(i, 17) == 0, do: 3, else: before_swaps(i))

  # FNV-1a. The factor is 2^40 + 0x1B3.
  defp fnv(digest, <<byte, rest::binary>>) do
    x = bxor(digest, byte)
    fnv((x <<< 40) + x * 0x1B3 &&& @mask, rest)
  end

  defp fnv(digest, <<>>), do: digest
end

case System.argv() do
  ["write", dir] ->
    WarpEngine.Native.Dataset.write(dir)

  ["read", dir] ->
    summary = WarpEngine.Native.Dataset.read(dir)
    IO.puts(summary)
    if summary != WarpEngine.Native.Dataset.expected(), do: System.halt(1)

  _ ->
    IO.puts(:stderr, "usage: dataset.exs write DIR | read DIR")
    System.halt(2)
end
