defmodule WarpEngine.Owner do
  @moduledoc """
  Opens the database, publishes it, and closes it when its supervisor says so. No call goes through
  this process.

  If it is killed, the database stays open and published: callers go on, and its successor takes
  the open handle over. Only an orderly stop closes.
  """

  use GenServer
  require Logger
  alias WarpEngine.{Associations, Config, Native, Store, Temperature, TermCache}

  # A close syncs and checkpoints; a supervisor must not kill it in the middle of that.
  @shutdown_ms 60_000

  @doc """
  A child specification; the options are those of `WarpEngine.Config`.

      iex> WarpEngine.Owner.child_spec([]).id
      WarpEngine
  """
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(options) do
    %{id: WarpEngine, start: {WarpEngine, :start_link, [options]}, shutdown: @shutdown_ms}
  end

  @doc """
  Starts the owner under the name `WarpEngine`; one at a time.

      iex> {:error, {:already_started, pid}} = WarpEngine.Owner.start_link([])
      iex> pid == Process.whereis(WarpEngine)
      true
  """
  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(options) do
    with {:ok, config} <- Config.new(options) do
      GenServer.start_link(__MODULE__, config, name: WarpEngine)
    end
  end

  @impl true
  def init(config) do
    Process.flag(:trap_exit, true)

    if Config.get(config, :progressive_start) do
      {:ok, config, {:continue, :open}}
    else
      case open(config) do
        {:ok, config} -> {:ok, config}
        {:error, error} -> {:stop, error}
      end
    end
  end

  @impl true
  def handle_continue(:open, config) do
    case open(config) do
      {:ok, config} -> {:noreply, config}
      {:error, error} -> {:stop, error, config}
    end
  end

  @impl true
  def handle_call(:ready, _from, config), do: {:reply, :ok, config}

  @impl true
  def handle_info(_message, config), do: {:noreply, config}

  @impl true
  def terminate(_reason, config) do
    case Store.get() do
      %Store{config: ^config, db: db} -> close(db)
      _ -> :ok
    end
  end

  defp open(config) do
    case Store.get() do
      # The handle of a predecessor that was killed.
      %Store{config: ^config} = store ->
        if open?(store.db), do: publish(config, store), else: open_new(config)

      %Store{db: db} ->
        close(db)
        open_new(config)

      nil ->
        open_new(config)
    end
  end

  defp open?(db), do: match?({:ok, _}, Native.token(db))

  defp close(db) do
    with {:error, error} <- Native.close(db), do: Logger.error(Exception.message(error))
  end

  defp open_new(config) do
    path = Config.path(config)

    with :ok <- make(Path.dirname(path)),
         {:ok, db} <- attempt(path, config, Config.get(config, :open_retries), 0),
         :ok <- rules(db, config) do
      heat = Temperature.new(Config.get(config, :temperature_half_life_s))
      timing = :counters.new(2, [:write_concurrency])

      publish(config, %Store{
        db: db,
        ref: db.ref,
        heat: heat,
        cache: nil,
        write_through: nil,
        timing: timing,
        config: config,
        opened_at: System.monotonic_time(:millisecond)
      })
    end
  end

  # A start that fails leaves nothing open.
  defp rules(db, config) do
    with {:error, error} <- Associations.apply_rules(db, config) do
      close(db)
      {:error, error}
    end
  end

  defp make(dir) do
    with {:error, reason} <- File.mkdir_p(dir) do
      {:error,
       %Native.Error{
         reason: :io,
         status: -2,
         message: "cannot make data_root #{dir}: #{:file.format_error(reason)}"
       }}
    end
  end

  defp attempt(path, config, retries, attempt) do
    case Native.open(path, Config.engine_options(config)) do
      {:error, %{reason: reason} = error} when reason in [:busy, :timeout] and retries > 0 ->
        pause = Config.get(config, :open_backoff_ms) * 2 ** attempt
        Logger.warning("warp_engine: #{error.message}; again in #{pause} ms")
        Process.sleep(pause)
        attempt(path, config, retries - 1, attempt + 1)

      answer ->
        answer
    end
  end

  # The tables of the cache belong to this process, so they are new with each.
  defp publish(config, store) do
    cache =
      if Config.cache?(config) do
        TermCache.new(
          Config.get(config, :term_cache_bytes),
          Config.get(config, :cache_sample_rate_get)
        )
      end

    through? = cache != nil and Config.get(config, :cache_write_through_on_put)
    write_through = if through?, do: Config.get(config, :cache_sample_rate_put)
    Store.publish(%{store | cache: cache, write_through: write_through})
    {:ok, config}
  end
end
