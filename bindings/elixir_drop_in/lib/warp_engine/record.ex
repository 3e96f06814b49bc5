defmodule WarpEngine.Record do
  @moduledoc """
  What lies under a key: the value, and what the put said about it.

  Format: the external term format of `{stamp, value}`, or of `{stamp, value, metadata}` when there
  is metadata. The stamp is an integer of 31 bits:

      bit 28        always 1, so that the stamp takes 4 bytes at a fixed place
      bits 24, 25   temperature that the put reported: 0 cold, 1 warm, 2 hot
      bits 0 to 23  time of the put, in ticks of 69 seconds (2^36 ns) since 2020

  So the stamp is read without decoding the value.
  """

  import Bitwise

  @mark 1 <<< 28
  @ticks_max (1 <<< 24) - 1

  @type stamp :: pos_integer

  @doc """
  A stamp.

      iex> stamp = WarpEngine.Record.stamp(2, 3_000_000)
      iex> {WarpEngine.Record.class(stamp), WarpEngine.Record.tick(stamp)}
      {2, 3_000_000}
  """
  @spec stamp(0..2, non_neg_integer) :: stamp
  def stamp(class, tick), do: @mark ||| class <<< 24 ||| (tick &&& @ticks_max)

  @doc """
  Temperature of the put: 0 cold, 1 warm, 2 hot.

      iex> WarpEngine.Record.class(WarpEngine.Record.stamp(1, 0))
      1
  """
  @spec class(stamp) :: 0..2
  def class(stamp), do: stamp >>> 24 &&& 3

  @doc """
  Tick of the put.

      iex> WarpEngine.Record.tick(WarpEngine.Record.stamp(1, 7))
      7
  """
  @spec tick(stamp) :: non_neg_integer
  def tick(stamp), do: stamp &&& @ticks_max

  @doc """
  The bytes of a value.

      iex> bytes = WarpEngine.Record.encode(WarpEngine.Record.stamp(0, 0), %{name: "Ada"})
      iex> WarpEngine.Record.decode(bytes)
      {:ok, WarpEngine.Record.stamp(0, 0), %{name: "Ada"}, nil}
  """
  @spec encode(stamp, term) :: binary
  def encode(stamp, value), do: :erlang.term_to_binary({stamp, value})

  @doc """
  The bytes of a value with metadata.

      iex> bytes = WarpEngine.Record.encode(WarpEngine.Record.stamp(0, 0), 1, %{by: "Ada"})
      iex> WarpEngine.Record.decode(bytes)
      {:ok, WarpEngine.Record.stamp(0, 0), 1, %{by: "Ada"}}
  """
  @spec encode(stamp, term, map | nil) :: binary
  def encode(stamp, value, nil), do: encode(stamp, value)
  def encode(stamp, value, metadata), do: :erlang.term_to_binary({stamp, value, metadata})

  @doc """
  Stamp, value and metadata.

      iex> WarpEngine.Record.decode("what something else has written")
      :error
  """
  @spec decode(binary) :: {:ok, stamp, term, map | nil} | :error
  def decode(bytes) do
    # With more inside the try it takes longer.
    term =
      try do
        :erlang.binary_to_term(bytes)
      catch
        :error, :badarg -> nil
      end

    case term do
      {stamp, value} when is_integer(stamp) -> {:ok, stamp, value, nil}
      {stamp, value, metadata} when is_integer(stamp) -> {:ok, stamp, value, metadata}
      _ -> :error
    end
  end

  @doc """
  The stamp alone.

      iex> WarpEngine.Record.peek(WarpEngine.Record.encode(WarpEngine.Record.stamp(2, 9), "value"))
      WarpEngine.Record.stamp(2, 9)
      iex> WarpEngine.Record.peek("what something else has written")
      nil
  """
  @spec peek(binary) :: stamp | nil
  def peek(<<131, 104, _arity, 98, stamp::32, _::binary>>), do: stamp
  def peek(_bytes), do: nil
end
