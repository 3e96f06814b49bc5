defmodule WarpEngine.Native.Batch do
  @moduledoc """
  Writes that happen together: all of them or none, whatever crashes, across all shards.

  A batch is plain data, built without a call into the engine and handed over in one. The last
  operation on a key wins.

      iex> alias WarpEngine.Native.Batch
      iex> {:ok, db} = WarpEngine.Native.open(:memory)
      iex> batch = Batch.new() |> Batch.put("a", "1") |> Batch.put("b", ["2", ?3]) |> Batch.delete("a")
      iex> Batch.count(batch)
      3
      iex> WarpEngine.Native.write(db, batch)
      :ok
      iex> {WarpEngine.Native.get(db, "a"), WarpEngine.Native.get(db, "b")}
      {:not_found, {:ok, "23"}}

  A batch can also be filled from a list or a stream:

      iex> batch = Enum.into([{:put, "k", "v"}, {:delete, "old"}], WarpEngine.Native.Batch.new())
      iex> WarpEngine.Native.Batch.count(batch)
      2
  """

  # Format of an operation, little-endian: kind u8 | key length u32 | value length u32 | key |
  # value; kind 1 is a put, 2 a delete (with a value length of 0).

  @put 1
  @delete 2
  @header_bytes 9

  @enforce_keys [:count, :bytes, :packed]
  defstruct [:count, :bytes, :packed]

  @opaque t :: %__MODULE__{count: non_neg_integer, bytes: non_neg_integer, packed: iodata}
  @type operation :: {:put, WarpEngine.Native.key(), iodata} | {:delete, WarpEngine.Native.key()}

  @doc """
  An empty batch.

      iex> WarpEngine.Native.Batch.count(WarpEngine.Native.Batch.new())
      0
  """
  @spec new() :: t
  def new, do: %__MODULE__{count: 0, bytes: 0, packed: []}

  @doc """
  A batch of a list of operations.

      iex> WarpEngine.Native.Batch.new([{:put, "k", "v"}, {:delete, "old"}]) |> WarpEngine.Native.Batch.count()
      2
  """
  @spec new(Enumerable.t()) :: t
  def new(operations) when is_list(operations), do: pack(operations, 0, 0, [])
  def new(operations), do: Enum.reduce(operations, new(), &add(&2, &1))

  # What add/2 does, without a struct for each operation.
  defp pack([{:put, key, value} | rest], count, bytes, packed) when is_binary(key) do
    size = IO.iodata_length(value)
    packed = [packed, header(@put, key, size), key | value]
    pack(rest, count + 1, bytes + @header_bytes + Kernel.byte_size(key) + size, packed)
  end

  defp pack([{:delete, key} | rest], count, bytes, packed) when is_binary(key) do
    packed = [packed, header(@delete, key, 0), key]
    pack(rest, count + 1, bytes + @header_bytes + Kernel.byte_size(key), packed)
  end

  defp pack([], count, bytes, packed) do
    %__MODULE__{count: count, bytes: bytes, packed: packed}
  end

  @doc """
  Adds a put.

      iex> WarpEngine.Native.Batch.put(WarpEngine.Native.Batch.new(), "key", "value") |> WarpEngine.Native.Batch.count()
      1
  """
  @spec put(t, WarpEngine.Native.key(), iodata) :: t
  def put(%__MODULE__{} = batch, key, value) when is_binary(key) do
    size = IO.iodata_length(value)
    append(batch, header(@put, key, size), key, value, size)
  end

  @doc """
  Adds a delete. Deleting a key that does not exist is no error.

      iex> WarpEngine.Native.Batch.delete(WarpEngine.Native.Batch.new(), "key") |> WarpEngine.Native.Batch.count()
      1
  """
  @spec delete(t, WarpEngine.Native.key()) :: t
  def delete(%__MODULE__{} = batch, key) when is_binary(key) do
    append(batch, header(@delete, key, 0), key, [], 0)
  end

  @doc """
  Adds an operation given as a tuple.

      iex> WarpEngine.Native.Batch.new() |> WarpEngine.Native.Batch.add({:put, "k", "v"}) |> WarpEngine.Native.Batch.count()
      1
  """
  @spec add(t, operation) :: t
  def add(batch, {:put, key, value}), do: put(batch, key, value)
  def add(batch, {:delete, key}), do: delete(batch, key)

  @doc """
  Number of operations.

      iex> WarpEngine.Native.Batch.count(WarpEngine.Native.Batch.new())
      0
  """
  @spec count(t) :: non_neg_integer
  def count(%__MODULE__{count: count}), do: count

  @doc """
  Bytes that the engine will be handed: keys, values, and #{@header_bytes} for each operation.

      iex> WarpEngine.Native.Batch.new() |> WarpEngine.Native.Batch.put("key", "value") |> WarpEngine.Native.Batch.byte_size()
      17
  """
  @spec byte_size(t) :: non_neg_integer
  def byte_size(%__MODULE__{bytes: bytes}), do: bytes

  @doc """
  The packed form, as the engine reads it.

      iex> WarpEngine.Native.Batch.new() |> WarpEngine.Native.Batch.put("k", "v") |> WarpEngine.Native.Batch.to_binary()
      <<1, 1::32-little, 1::32-little, "k", "v">>
  """
  @spec to_binary(t) :: binary
  def to_binary(%__MODULE__{packed: packed}), do: IO.iodata_to_binary(packed)

  defp header(kind, key, value_size) do
    # Lengths of 4 GiB and more would be cut off here and mean something else; far smaller ones
    # are refused by the engine.
    if value_size > 0xFFFF_FFFF or Kernel.byte_size(key) > 0xFFFF_FFFF do
      raise ArgumentError, "a batch takes keys and values below 4 GiB"
    end

    <<kind, Kernel.byte_size(key)::32-little, value_size::32-little>>
  end

  defp append(batch, header, key, value, value_size) do
    %__MODULE__{
      count: batch.count + 1,
      bytes: batch.bytes + @header_bytes + Kernel.byte_size(key) + value_size,
      packed: [batch.packed, header, key | value]
    }
  end

  defimpl Collectable do
    alias WarpEngine.Native.Batch

    def into(batch) do
      {batch,
       fn
         batch, {:cont, operation} -> Batch.add(batch, operation)
         batch, :done -> batch
         _batch, :halt -> :ok
       end}
    end
  end

  defimpl Inspect do
    import Inspect.Algebra

    def inspect(batch, _options) do
      concat(["#WarpEngine.Native.Batch<", "#{batch.count} operations, #{batch.bytes} bytes", ">"])
    end
  end
end
