defmodule WarpEngine.Store do
  @moduledoc """
  What a call needs, in one place that any process reads without asking another: the database's
  handle, the measure of temperature, the cache of decoded terms, the counters.

  Published by `WarpEngine.Owner`. All calls of this application into `WarpEngine.Native` that are
  made for a user's key go through here.
  """

  alias WarpEngine.{Native, Temperature, TermCache}

  @enforce_keys [:db, :ref, :heat, :cache, :write_through, :timing, :config, :opened_at]
  defstruct [:db, :ref, :heat, :cache, :write_through, :timing, :config, :opened_at]

  @type t :: %__MODULE__{
          db: Native.t(),
          ref: reference,
          heat: Temperature.t(),
          cache: TermCache.t() | nil,
          write_through: pos_integer | nil,
          timing: :counters.counters_ref(),
          config: WarpEngine.Config.t(),
          opened_at: integer
        }

  @doc """
  The store that is published, or `nil` when there is none.

      iex> %WarpEngine.Store{} = WarpEngine.Store.get()
  """
  @spec get() :: t | nil
  def get, do: :persistent_term.get(__MODULE__, nil)

  @doc false
  @spec publish(t) :: :ok
  def publish(%__MODULE__{} = store), do: :persistent_term.put(__MODULE__, store)

  @doc """
  The error for a call while no database is open.

      iex> WarpEngine.Store.not_running().reason
      :closed
  """
  @spec not_running() :: Native.Error.t()
  def not_running do
    %Native.Error{reason: :closed, status: -1, message: "WarpEngine is not running"}
  end

  @doc """
  The error for a record that this application has not written.

      iex> WarpEngine.Store.invalid("key").message
      "the value of \\"key\\" was not written by this application"
  """
  @spec invalid(term) :: Native.Error.t()
  def invalid(key) do
    message = "the value of #{inspect(key)} was not written by this application"
    %Native.Error{reason: :invalid_term, status: -1, message: message}
  end

  @doc """
  Microseconds since a reading of `:os.perf_counter/0`, rounded up: at least 1.

      iex> WarpEngine.Store.elapsed(:os.perf_counter()) >= 1
      true
  """
  @spec elapsed(integer) :: pos_integer
  def elapsed(start) do
    case :os.perf_counter() - start do
      ns when ns > 0 -> div(ns + 999, 1000)
      _ -> 1
    end
  end
end
