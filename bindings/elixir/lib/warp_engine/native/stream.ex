defmodule WarpEngine.Native.Stream do
  @moduledoc false
  # Iteration, a page at a time. A page is entries of
  #
  #     key length u32 | value length u32 | key | value      little-endian
  #
  # one after the other. Taking them apart makes sub-binaries of the page and copies nothing.

  alias WarpEngine.Native.Nif

  @page_bytes 65_536
  @page_bytes_max 67_108_864

  @spec new(reference, keyword) :: Enumerable.t()
  def new(ref, options) do
    options = Keyword.validate!(options, prefix: "", page_bytes: @page_bytes)
    prefix = options[:prefix]
    page_bytes = options[:page_bytes]

    unless is_binary(prefix) and page_bytes in 1..@page_bytes_max do
      raise ArgumentError,
            "a stream takes a binary :prefix and :page_bytes of 1 to #{@page_bytes_max}"
    end

    Stream.resource(fn -> open(ref, prefix) end, &next(&1, page_bytes), &Nif.iter_close/1)
  end

  defp open(ref, prefix) do
    case Nif.iter_new(ref, prefix) do
      {:ok, iter} -> iter
      {:error, error} -> raise error
    end
  end

  defp next(iter, page_bytes) do
    case Nif.iter_next_page(iter, page_bytes) do
      {:ok, page} -> {entries(page), iter}
      :done -> {:halt, iter}
      {:error, error} -> raise error
    end
  end

  defp entries(<<
         key_size::32-little,
         value_size::32-little,
         key::binary-size(key_size),
         value::binary-size(value_size),
         rest::binary
       >>) do
    [{key, value} | entries(rest)]
  end

  defp entries(<<>>), do: []
end
