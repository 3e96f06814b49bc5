defmodule WarpEngine.Application do
  @moduledoc """
  The supervision tree, and what the original offered to look at it.

  | child | what it does |
  | --- | --- |
  | `WarpEngine` | owns the database; see `WarpEngine.Owner` |
  | `WarpEngine.MonitorSupervisor` | the next two, so that what befalls them does not come near the database |
  | `WarpEngine.EntropyRegistry` | names of entropy monitors |
  | entropy monitor `:cosmic_entropy` | unless `enable_entropy_monitoring: false` or bench mode |

  Killing any of them loses nothing, and puts and gets of others go on meanwhile.
  """

  use Application
  alias WarpEngine.{Config, EntropyMonitor, Owner, Store}

  @supervisor WarpEngine.Supervisor

  @impl true
  def start(_type, _args) do
    options = config()

    with {:ok, config} <- Config.new(Keyword.put(options, :refused_options, refused(options))) do
      Supervisor.start_link([{Owner, options}, monitors(config)],
        strategy: :one_for_one,
        max_restarts: 10,
        max_seconds: 60,
        name: @supervisor
      )
    end
  end

  defp monitors(config) do
    children = [registry() | monitor(config)]
    options = [strategy: :rest_for_one, name: WarpEngine.MonitorSupervisor]

    %{
      id: WarpEngine.MonitorSupervisor,
      type: :supervisor,
      start: {Supervisor, :start_link, [children, options]}
    }
  end

  @registry WarpEngine.EntropyRegistry

  defp registry do
    %{id: @registry, type: :supervisor, start: {__MODULE__, :start_registry, [50]}}
  end

  # The parts of a registry that was killed keep its names until they have noticed. Restarting into
  # that would use up the restarts of the whole application.
  @doc false
  @spec start_registry(non_neg_integer) :: Supervisor.on_start()
  def start_registry(attempts) do
    case Registry.start_link(keys: :unique, name: @registry) do
      {:error, _} when attempts > 0 ->
        Process.sleep(20)
        start_registry(attempts - 1)

      answer ->
        answer
    end
  end

  # Said once, by the owner.
  defp refused(options), do: Keyword.get(options, :refused_options, :error)

  defp monitor(config) do
    if Config.monitor?(config) do
      options = [
        monitoring_interval: Config.get(config, :entropy_monitoring_interval),
        entropy_threshold: Config.get(config, :entropy_threshold),
        vacuum_stability_checks: Config.get(config, :vacuum_stability_checks),
        persistence_enabled: Config.get(config, :entropy_persistence),
        analytics_enabled: Config.get(config, :entropy_analytics),
        enable_maxwell_demon: Config.get(config, :enable_maxwell_demon)
      ]

      [
        %{
          id: :cosmic_entropy,
          start: {EntropyMonitor, :create_monitor, [:cosmic_entropy, options]}
        }
      ]
    else
      []
    end
  end

  @doc """
  The whole configuration.

      iex> is_binary(WarpEngine.Application.config()[:data_root])
      true
  """
  @spec config() :: keyword
  def config, do: Application.get_all_env(:warp_engine)

  @doc """
  One key of the configuration.

      iex> WarpEngine.Application.config(:no_such_key, 7)
      7
  """
  @spec config(atom, term) :: term
  def config(key, default), do: Application.get_env(:warp_engine, key, default)

  @doc """
  Sets a key of the configuration. It counts from the next start, see `restart_universe/0`.

      iex> WarpEngine.Application.put_config(:place_groups, false)
      :ok
  """
  @spec put_config(atom, term) :: :ok
  def put_config(key, value), do: Application.put_env(:warp_engine, key, value)

  @doc """
  The supervisor and its children.

      iex> %{active: active, children: children} = WarpEngine.Application.supervisor_info()
      iex> active == length(children)
      true
  """
  @spec supervisor_info() :: map
  def supervisor_info do
    case Process.whereis(@supervisor) do
      nil ->
        %{status: :not_running, children: [], active: 0}

      pid ->
        children = Supervisor.which_children(pid)

        Map.merge(Supervisor.count_children(pid), %{
          status: :running,
          supervisor: pid,
          children: for({id, child, type, _} <- children, do: %{id: id, pid: child, type: type})
        })
    end
  end

  @doc """
  Closes the database and opens it again, with the configuration as it is now. Nothing is lost;
  calls in between answer an error whose reason is `:closed`. If it cannot be opened, nothing is open
  until a later call of this succeeds.

      iex> WarpEngine.Application.restart_universe()
      {:ok, :restarted}
  """
  @spec restart_universe() :: {:ok, :restarted} | {:error, {:restart_failed, term}}
  def restart_universe do
    # Neither is there after a restart that failed.
    _ = Supervisor.terminate_child(@supervisor, WarpEngine)
    _ = Supervisor.delete_child(@supervisor, WarpEngine)

    case Supervisor.start_child(@supervisor, {Owner, config()}) do
      {:ok, _} -> {:ok, :restarted}
      # The supervisor adds the child's specification.
      {:error, {reason, child}} when is_tuple(child) -> {:error, {:restart_failed, reason}}
      {:error, reason} -> {:error, {:restart_failed, reason}}
    end
  catch
    :exit, reason -> {:error, {:restart_failed, reason}}
  end

  @doc """
  Whether the database answers.

      iex> health = WarpEngine.Application.health_check()
      iex> {health.status, health.healthy}
      {:running, true}
  """
  @spec health_check() :: %{
          status: :running | :not_running | :error,
          universe_state: atom,
          uptime_ms: non_neg_integer,
          spacetime_shards: non_neg_integer,
          entropy: float,
          last_check: DateTime.t(),
          healthy: boolean
        }
  def health_check do
    case {Process.whereis(WarpEngine), Store.get()} do
      {pid, %Store{} = store} when is_pid(pid) -> health(WarpEngine.Native.stats(store.db), store)
      {nil, _} -> health(:not_running, :unknown, 0, 0, 0.0)
      {_, nil} -> health(:not_running, :starting, 0, 0, 0.0)
    end
  end

  defp health({:ok, stats}, store) do
    uptime = System.monotonic_time(:millisecond) - store.opened_at
    entropy = WarpEngine.Load.measure(store.db).key_entropy
    health(:running, :stable, uptime, stats.shards, entropy)
  end

  defp health({:error, _}, _store), do: health(:error, :unknown, 0, 0, 0.0)

  defp health(status, state, uptime, shards, entropy) do
    %{
      status: status,
      universe_state: state,
      uptime_ms: uptime,
      spacetime_shards: shards,
      entropy: entropy,
      last_check: DateTime.utc_now(),
      healthy: status == :running
    }
  end
end
