defmodule WarpEngine.JSON do
  @moduledoc """
  Reads the JSON that the engine makes: enough of the format for that, and no dependency.

      iex> WarpEngine.JSON.decode!(~s({"keys":2,"shard":[{"puts":1.5},{"ok":true,"name":"a\\\\nb"}],"no":null}))
      %{"keys" => 2, "no" => nil, "shard" => [%{"puts" => 1.5}, %{"ok" => true, "name" => "a\\nb"}]}
  """

  @doc """
  Terms of a JSON text: objects are maps with text keys, null is `nil`.

      iex> WarpEngine.JSON.decode!("[]")
      []
      iex> WarpEngine.JSON.decode!("[1")
      ** (ArgumentError) no JSON that is understood at: ""
  """
  @spec decode!(String.t()) :: term
  def decode!(text) do
    case value(skip(text)) do
      {value, rest} -> if skip(rest) == "", do: value, else: fail(rest)
    end
  end

  defp value("{" <> rest), do: members(skip(rest), [])
  defp value("[" <> rest), do: elements(skip(rest), [])
  defp value("\"" <> rest), do: text(rest, [])
  defp value("true" <> rest), do: {true, rest}
  defp value("false" <> rest), do: {false, rest}
  defp value("null" <> rest), do: {nil, rest}

  defp value(rest) do
    case Regex.run(~r/\A-?\d+(\.\d+)?([eE][+-]?\d+)?/, rest) do
      [number] -> {String.to_integer(number), after_prefix(rest, number)}
      [number, _ | _] -> {elem(Float.parse(number), 0), after_prefix(rest, number)}
      nil -> fail(rest)
    end
  end

  defp after_prefix(text, prefix) do
    binary_part(text, byte_size(prefix), byte_size(text) - byte_size(prefix))
  end

  defp members("}" <> rest, pairs), do: {Map.new(pairs), rest}
  defp members("," <> rest, pairs), do: members(skip(rest), pairs)

  defp members("\"" <> rest, pairs) do
    {key, rest} = text(rest, [])

    case skip(rest) do
      ":" <> rest ->
        {value, rest} = value(skip(rest))
        members(skip(rest), [{key, value} | pairs])

      rest ->
        fail(rest)
    end
  end

  defp members(rest, _pairs), do: fail(rest)

  defp elements("]" <> rest, values), do: {Enum.reverse(values), rest}
  defp elements("," <> rest, values), do: elements(skip(rest), values)

  defp elements(rest, values) do
    {value, rest} = value(rest)
    elements(skip(rest), [value | values])
  end

  @escapes %{?n => ?\n, ?t => ?\t, ?r => ?\r, ?b => ?\b, ?f => ?\f}

  defp text("\"" <> rest, chars), do: {IO.iodata_to_binary(Enum.reverse(chars)), rest}

  defp text("\\u" <> <<hex::binary-size(4), rest::binary>>, chars) do
    text(rest, [<<String.to_integer(hex, 16)::utf8>> | chars])
  end

  defp text(<<?\\, char, rest::binary>>, chars) do
    text(rest, [Map.get(@escapes, char, char) | chars])
  end

  defp text(<<char, rest::binary>>, chars), do: text(rest, [char | chars])
  defp text("", _chars), do: fail("")

  defp skip(<<space, rest::binary>>) when space in ~c" \t\r\n", do: skip(rest)
  defp skip(rest), do: rest

  defp fail(rest) do
    raise ArgumentError,
          "no JSON that is understood at: #{inspect(binary_part(rest, 0, min(20, byte_size(rest))))}"
  end
end
