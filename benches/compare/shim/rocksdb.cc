// RocksDB through its C++ interface, so that values are pinned in its cache and copied once.

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <cstring>
#include <memory>
#include <vector>

#include "shim.h"

namespace {

thread_local std::string last_error;

struct Handle {
    std::unique_ptr<rocksdb::DB> db;
    rocksdb::WriteOptions write;
    rocksdb::ReadOptions read;
};

int64_t result(const rocksdb::Status &status) {
    if (status.ok()) return 0;
    if (status.IsNotFound()) return SHIM_NOT_FOUND;
    last_error = status.ToString();
    return SHIM_FAILED;
}

rocksdb::Options options(uint64_t cache_bytes) {
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(cache_bytes);
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
    table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
    table.data_block_hash_table_util_ratio = 0.75;
    rocksdb::Options options;
    options.create_if_missing = true;
    // The values of the benchmark do not compress.
    options.compression = rocksdb::kNoCompression;
    options.write_buffer_size = 128 << 20;
    options.level_compaction_dynamic_level_bytes = true;
    options.memtable_whole_key_filtering = true;
    options.memtable_prefix_bloom_size_ratio = 0.1;
    options.max_background_jobs = 2;
    options.max_open_files = -1;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    return options;
}

}  // namespace

extern "C" {

const char *rdb_error() { return last_error.c_str(); }

void *rdb_open(const char *path, uint64_t cache_bytes, bool sync) {
    auto handle = std::make_unique<Handle>();
    rocksdb::DB *db = nullptr;
    if (result(rocksdb::DB::Open(options(cache_bytes), path, &db)) != 0) return nullptr;
    handle->db.reset(db);
    handle->write.sync = sync;
    return handle.release();
}

int64_t rdb_close(void *at) {
    std::unique_ptr<Handle> handle(static_cast<Handle *>(at));
    return result(handle->db->Close());
}

int64_t rdb_put(void *at, const char *key, size_t key_len, const char *value, size_t value_len) {
    auto *handle = static_cast<Handle *>(at);
    return result(handle->db->Put(handle->write, {key, key_len}, {value, value_len}));
}

int64_t rdb_delete(void *at, const char *key, size_t key_len) {
    auto *handle = static_cast<Handle *>(at);
    return result(handle->db->Delete(handle->write, {key, key_len}));
}

int64_t rdb_batch(void *at, const shim_pair *pairs, size_t count) {
    auto *handle = static_cast<Handle *>(at);
    rocksdb::WriteBatch batch;
    for (size_t i = 0; i < count; i++) {
        const shim_pair &pair = pairs[i];
        rocksdb::Slice key(pair.key, pair.key_len);
        if (pair.value == nullptr) {
            batch.Delete(key);
        } else {
            batch.Put(key, {pair.value, pair.value_len});
        }
    }
    return result(handle->db->Write(handle->write, &batch));
}

int64_t rdb_get(void *at, const char *key, size_t key_len, char *buf, size_t buf_len) {
    auto *handle = static_cast<Handle *>(at);
    thread_local rocksdb::PinnableSlice value;
    value.Reset();
    auto status = handle->db->Get(handle->read, handle->db->DefaultColumnFamily(),
                                  {key, key_len}, &value);
    if (!status.ok()) return result(status);
    if (value.size() <= buf_len) memcpy(buf, value.data(), value.size());
    int64_t len = static_cast<int64_t>(value.size());
    value.Reset();
    return len;
}

int64_t rdb_multi_get(void *at, const shim_pair *keys, size_t count, void *context,
                      shim_each each) {
    auto *handle = static_cast<Handle *>(at);
    std::vector<rocksdb::Slice> slices(count);
    std::vector<rocksdb::PinnableSlice> values(count);
    std::vector<rocksdb::Status> statuses(count);
    for (size_t i = 0; i < count; i++) slices[i] = {keys[i].key, keys[i].key_len};
    handle->db->MultiGet(handle->read, handle->db->DefaultColumnFamily(), count, slices.data(),
                         values.data(), statuses.data(), false);
    for (size_t i = 0; i < count; i++) {
        int64_t code = result(statuses[i]);
        if (code != 0) return code;
        each(context, keys[i].key, keys[i].key_len, values[i].data(), values[i].size());
    }
    return 0;
}

int64_t rdb_scan(void *at, const char *from, size_t from_len, void *context, shim_each each) {
    auto *handle = static_cast<Handle *>(at);
    std::unique_ptr<rocksdb::Iterator> iterator(handle->db->NewIterator(handle->read));
    for (iterator->Seek({from, from_len}); iterator->Valid(); iterator->Next()) {
        auto key = iterator->key(), value = iterator->value();
        if (!each(context, key.data(), key.size(), value.data(), value.size())) break;
    }
    return result(iterator->status());
}

int64_t rdb_compact(void *at) {
    auto *handle = static_cast<Handle *>(at);
    return result(handle->db->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr));
}

}  // extern "C"
