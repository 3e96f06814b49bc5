defmodule WarpEngine.Key do
  @moduledoc """
  Any term as a key of the engine, which takes 1 to 65,535 bytes.

    1. A binary that begins with neither 0 nor 131 is itself the key: `"user:42"` is the same key
       for the engine's other languages, its tool and its placement patterns.
    2. Any other term is its external term format, which begins with 131.
    3. What would be longer than the engine takes is 0, `"h"`, and the SHA-256 of form 1 or 2.
    4. 0 begins what this application keeps for itself; see `reserved/2`.

  Different terms so have different keys, and a term has one key for ever: the format is the
  deterministic one (the order of a large map does not matter), in the version that newer
  emulators write by default. `1` and `1.0` are different keys.

  Two bounds: `0.0` and `-0.0` are different keys, though emulators before OTP 27 compare them as
  equal; and a pid, a port, a reference or a local function means nothing after a restart.
  """

  @term 131
  @reserved 0
  @key_bytes_max 65_535

  @doc """
  The engine's key for a term.

      iex> WarpEngine.Key.encode("user:42")
      "user:42"
      iex> WarpEngine.Key.encode({:user, 42}) == WarpEngine.Key.encode({:user, 42})
      true
      iex> Enum.map(["", <<0>>, <<131>>, :a, 1, 1.0, %{}], &WarpEngine.Key.encode/1) |> Enum.uniq() |> length()
      7
      iex> byte_size(WarpEngine.Key.encode(Enum.to_list(1..100_000)))
      34
  """
  @spec encode(term) :: binary
  # The first byte is told by comparing: to match it would make a match context, for 30 ns.
  def encode(key)
      when is_binary(key) and key >= <<@reserved + 1>> and
             (key < <<@term>> or key >= <<@term + 1>>) and byte_size(key) <= @key_bytes_max,
      do: key

  def encode(key) do
    key
    |> :erlang.term_to_binary([:deterministic, minor_version: 2])
    |> shorten()
  end

  @doc """
  The term that `encode/1` made a key of. A key of form 3 stays what it is: its term cannot be told.

      iex> for key <- ["user:42", {:user, 42}, ""], do: key |> WarpEngine.Key.encode() |> WarpEngine.Key.decode()
      ["user:42", {:user, 42}, ""]
  """
  @spec decode(binary) :: term
  def decode(<<@term, _::binary>> = key), do: :erlang.binary_to_term(key)
  def decode(key), do: key

  @doc """
  A key of the application's own about the key of a user: links, for one.

      iex> WarpEngine.Key.reserved("link", "user:42")
      <<0, "link:user:42">>
  """
  @spec reserved(String.t(), binary) :: binary
  def reserved(kind, key), do: shorten(<<@reserved, kind::binary, ?:, key::binary>>)

  defp shorten(key) when byte_size(key) <= @key_bytes_max, do: key
  defp shorten(key), do: <<@reserved, ?h, :crypto.hash(:sha256, key)::binary>>
end
