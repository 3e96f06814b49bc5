defmodule WarpEngine.Native.Json do
  @moduledoc false
  # A reader of JSON, for what the engine tells in it (rules, events, load) and for the conformance
  # suite: this package depends on no other, and OTP has none before 27. Objects become lists of `{name, value}` in their order, so that a list of pairs is told from an object by
  # `{:object, pairs}`; `null` becomes `nil`.

  @doc false
  # What the text stands for; raises where it is no JSON.
  @spec parse!(binary) :: term
  def parse!(text) when is_binary(text) do
    {value, rest} = value(skip(text))
    if skip(rest) != "", do: fail(rest)
    value
  end

  defp value("{" <> rest), do: object(skip(rest), [])
  defp value("[" <> rest), do: list(skip(rest), [])
  defp value("\"" <> rest), do: string(rest, [])
  defp value("null" <> rest), do: {nil, rest}
  defp value("true" <> rest), do: {true, rest}
  defp value("false" <> rest), do: {false, rest}
  defp value(<<c, _::binary>> = text) when c in ?0..?9 or c == ?-, do: number(text)
  defp value(text), do: fail(text)

  defp object("}" <> rest, []), do: {{:object, []}, rest}

  defp object("\"" <> rest, pairs) do
    {name, rest} = string(rest, [])
    {value, rest} = rest |> skip() |> take(":") |> skip() |> value()
    pairs = [{name, value} | pairs]

    case skip(rest) do
      "," <> rest -> object(skip(rest), pairs)
      "}" <> rest -> {{:object, Enum.reverse(pairs)}, rest}
      rest -> fail(rest)
    end
  end

  defp object(text, _pairs), do: fail(text)

  defp list("]" <> rest, []), do: {[], rest}

  defp list(text, values) do
    {value, rest} = value(text)
    values = [value | values]

    case skip(rest) do
      "," <> rest -> list(skip(rest), values)
      "]" <> rest -> {Enum.reverse(values), rest}
      rest -> fail(rest)
    end
  end

  defp string("\"" <> rest, parts), do: {parts |> Enum.reverse() |> IO.iodata_to_binary(), rest}
  defp string("\\u" <> rest, parts), do: unicode(rest, parts)

  for {escape, byte} <- [
        {?", ?"},
        {?\\, ?\\},
        {?/, ?/},
        {?b, 8},
        {?f, 12},
        {?n, 10},
        {?r, 13},
        {?t, 9}
      ] do
    defp string(<<?\\, unquote(escape), rest::binary>>, parts) do
      string(rest, [unquote(byte) | parts])
    end
  end

  defp string(<<c::utf8, rest::binary>>, parts) when c >= 0x20 and c not in [?", ?\\] do
    string(rest, [<<c::utf8>> | parts])
  end

  defp string(text, _parts), do: fail(text)

  # Beyond the first plane a character is written as two escapes, a surrogate pair.
  defp unicode(<<high::binary-size(4), "\\u", low::binary-size(4), rest::binary>> = text, parts) do
    case {hex(high), hex(low)} do
      {h, l} when h in 0xD800..0xDBFF and l in 0xDC00..0xDFFF ->
        string(rest, [<<0x10000 + (h - 0xD800) * 0x400 + (l - 0xDC00)::utf8>> | parts])

      {h, _} ->
        <<_::binary-size(4), rest::binary>> = text
        string(rest, [<<h::utf8>> | parts])
    end
  end

  defp unicode(<<digits::binary-size(4), rest::binary>>, parts) do
    string(rest, [<<hex(digits)::utf8>> | parts])
  end

  defp unicode(text, _parts), do: fail(text)

  defp hex(digits), do: String.to_integer(digits, 16)

  defp number(text) do
    [digits] = Regex.run(~r/\A-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/, text)
    <<_::binary-size(byte_size(digits)), rest::binary>> = text

    case Integer.parse(digits) do
      {whole, ""} -> {whole, rest}
      _ -> {digits |> Float.parse() |> elem(0), rest}
    end
  end

  defp skip(<<c, rest::binary>>) when c in [?\s, ?\n, ?\r, ?\t], do: skip(rest)
  defp skip(text), do: text

  defp take(text, prefix) do
    if String.starts_with?(text, prefix) do
      binary_part(text, byte_size(prefix), byte_size(text) - byte_size(prefix))
    else
      fail(text)
    end
  end

  defp fail(text), do: raise(ArgumentError, "no JSON at: #{inspect(String.slice(text, 0, 40))}")
end
