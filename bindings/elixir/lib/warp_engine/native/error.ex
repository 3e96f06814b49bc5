defmodule WarpEngine.Native.Error do
  @moduledoc """
  What went wrong: the engine's own text, and a reason to match on.

  Functions answer `{:error, %WarpEngine.Native.Error{}}`; their bang variants raise it.

      iex> {:error, error} = WarpEngine.Native.open(:memory, shards: 0)
      iex> error.reason
      :invalid_argument
      iex> Exception.message(error) =~ "shards"
      true

  | reason | when |
  | --- | --- |
  | `:closed` | the database (or the name of a supervised one) is closed |
  | `:not_found` | raised by bang variants alone: the key does not exist |
  | `:conflict` | raised by bang variants alone: another value was there |
  | `:invalid_argument` | an empty key, an unknown option, a value out of range |
  | `:invalid_term` | the bytes under the key are no term, or not a safe one |
  | `:io` | the operating system failed a read, a write or a sync |
  | `:corruption` | stored bytes do not match their checksum, or files are missing |
  | `:busy` | another process has the directory open, still, after `open_timeout_ms` |
  | `:timeout` | a deadline passed |
  | `:no_space` | the device is full; reads and deletes still work |
  | `:read_only` | a write on a read-only handle, or one that a failed sync made read-only |
  | `:too_large` | a key over 65,535 bytes or a value over 1 GiB |
  | `:unsupported` | a newer format, or something the platform lacks |
  | `:out_of_memory` | an allocation failed or would pass the memory limit |
  | `:internal` | a defect of the engine |

  `status` is the engine's number for it (`WARP_ERR_…` in `warp_engine.h`).
  """

  defexception [:reason, :status, :message]

  @type reason ::
          :closed
          | :not_found
          | :conflict
          | :would_block
          | :buffer_too_small
          | :invalid_argument
          | :invalid_term
          | :io
          | :corruption
          | :busy
          | :timeout
          | :no_space
          | :read_only
          | :too_large
          | :unsupported
          | :out_of_memory
          | :internal
          | :unknown

  @type t :: %__MODULE__{
          __exception__: true,
          reason: reason,
          status: integer,
          message: String.t()
        }

  @invalid_argument -1

  @doc false
  @spec new(reason, String.t(), integer) :: t
  def new(reason, message, status \\ @invalid_argument) do
    %__MODULE__{reason: reason, status: status, message: message}
  end
end
