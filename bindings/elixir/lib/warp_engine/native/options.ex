defmodule WarpEngine.Native.Options do
  @moduledoc """
  Options of `WarpEngine.Native.open/2`, passed to the engine by their names.

  This package knows none of them: a name or a value that the engine does not understand is
  refused by the engine, with a text that lists what it understands. So an engine with a new
  option needs no new version of this package.

  | option | default | meaning |
  | --- | --- | --- |
  | `:shards` | `24` | number of shards, 1 to 1024; fixed when the directory is created |
  | `:durability` | `:periodic` | `:none`, `:process`, `:periodic` or `:sync` |
  | `:sync_interval_ms` | `100` | longest time between two syncs under `:periodic` |
  | `:memory_limit` | `"2G"`, or half of what a container may have | ceiling for what the engine keeps resident |
  | `:cache_compression` | `false` | keep what the cache of cold values holds compressed |
  | `:create_if_missing` | `true` | |
  | `:error_if_exists` | `false` | |
  | `:read_only` | `false` | |
  | `:open_timeout_ms` | `30_000` | how long to retry while another process has the directory |
  | `:checkpoint_interval_ms`, `:checkpoint_log_bytes` | chosen by the engine | |
  | `:pin_shards` | `false` | pin each shard's upkeep to one core |
  | `:load_monitor` | `true` | watch how the load spreads: `WarpEngine.Native.Monitor` |
  | `:skew_percent` | `90` | the load counts as skewed while its entropy is below this, 1 to 99 |
  | `:auto_rebalance` | `false` | move slots by itself while the load is skewed |
  | `:rules` | | rules it gets if it has not got them: `"user:*,profile:*;order:*,items:*"` |
  | `:prefetch_links` | `false` | a get of a key starts the loads of its partners |
  | `:learn_links` | `false` | learn partners from reads that follow each other |

  Values are atoms, integers or strings. Sizes are bytes, or strings such as `"512M"`.
  """

  alias WarpEngine.Native.Error

  @type value :: atom | integer | String.t()
  @type t :: [{atom, value}]

  @doc """
  The pairs of text that the engine gets.

      iex> WarpEngine.Native.Options.encode(shards: 8, durability: :sync, memory_limit: "1G")
      {:ok, [{"shards", "8"}, {"durability", "sync"}, {"memory_limit", "1G"}]}

      iex> {:error, error} = WarpEngine.Native.Options.encode(shards: 1.5)
      iex> error.message
      "option shards: 1.5 is not an atom, an integer or a string"
  """
  @spec encode(t) :: {:ok, [{String.t(), String.t()}]} | {:error, Error.t()}
  def encode(options), do: encode(options, [])

  defp encode([], pairs), do: {:ok, Enum.reverse(pairs)}

  defp encode([{name, value} | rest], pairs) when is_atom(name) do
    case text(value) do
      {:ok, text} -> encode(rest, [{Atom.to_string(name), text} | pairs])
      :error -> refuse("option #{name}: #{inspect(value)} is not an atom, an integer or a string")
    end
  end

  defp encode(other, _pairs), do: refuse("options are a keyword list, not #{inspect(other)}")

  defp text(value) when is_binary(value), do: {:ok, value}
  defp text(value) when is_integer(value), do: {:ok, Integer.to_string(value)}
  defp text(value) when is_atom(value), do: {:ok, Atom.to_string(value)}
  defp text(_value), do: :error

  defp refuse(message), do: {:error, Error.new(:invalid_argument, message)}
end
