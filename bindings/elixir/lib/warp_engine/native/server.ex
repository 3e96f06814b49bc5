defmodule WarpEngine.Native.Server do
  @moduledoc """
  The owner of a supervised database: opens it, publishes the handle under a name, and closes it
  when its supervisor says so. No call of a user goes through this process.

      children = [
        {WarpEngine.Native, name: MyApp.Store, path: "/var/lib/my_app/store", durability: :process}
      ]

  The handle lies in a `:persistent_term`. After a stop it stays there, closed, so that late
  callers get an error whose reason is `:closed`, and a restart replaces it. If this process was
  killed and could not close, the restart closes the old handle first: callers never have two
  open databases of one name.
  """

  use GenServer
  alias WarpEngine.Native

  # A close syncs and checkpoints; a supervisor must not kill it in the middle of that.
  @shutdown_ms 60_000

  @doc """
  A child specification; the options are those of `start_link/1`.

      iex> WarpEngine.Native.Server.child_spec(name: Store, path: :memory).id
      {WarpEngine.Native, Store}
  """
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(options) do
    %{
      id: {Native, Keyword.get(options, :name, Native)},
      start: {__MODULE__, :start_link, [options]},
      shutdown: @shutdown_ms
    }
  end

  @doc """
  Opens the database `:path` under the name `:name`; the other options are those of
  `WarpEngine.Native.open/2`. Returns when it is open, recovery included.

      iex> {:ok, pid} = WarpEngine.Native.Server.start_link(name: :store, path: :memory)
      iex> WarpEngine.Native.put(:store, "key", "value")
      :ok
      iex> GenServer.stop(pid)
      iex> {:error, error} = WarpEngine.Native.get(:store, "key")
      iex> error.reason
      :closed
  """
  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(options) do
    {name, options} = Keyword.pop(options, :name, Native)
    {path, options} = Keyword.pop!(options, :path)

    unless is_atom(name), do: raise(ArgumentError, "a name is an atom, not #{inspect(name)}")

    # The name goes below a key of its own: the process has no business with it, but two of them
    # with one name must not start.
    GenServer.start_link(__MODULE__, {name, path, options}, name: process_name(name))
  end

  @doc """
  The handle of the supervised database `name`.

      iex> WarpEngine.Native.Server.handle!(:never_started)
      ** (ArgumentError) no database named :never_started was started
  """
  @spec handle!(atom) :: Native.t()
  def handle!(name) do
    case :persistent_term.get({Native, name}, nil) do
      nil -> raise ArgumentError, "no database named #{inspect(name)} was started"
      handle -> handle
    end
  end

  @impl true
  def init({name, path, options}) do
    Process.flag(:trap_exit, true)
    close_stale(:persistent_term.get({Native, name}, nil))

    case Native.open(path, options) do
      {:ok, handle} ->
        :persistent_term.put({Native, name}, handle)
        {:ok, handle}

      {:error, error} ->
        {:stop, error}
    end
  end

  @impl true
  def terminate(_reason, handle) do
    case Native.close(handle) do
      :ok -> :ok
      {:error, error} -> :logger.error("closing #{inspect(handle)}: #{Exception.message(error)}")
    end
  end

  defp close_stale(nil), do: :ok
  defp close_stale(handle), do: Native.close(handle)

  defp process_name(name), do: Module.concat(__MODULE__, name)
end
